"""The tree of errors, and which of them end a run."""

import inspect

from synth import errors


def test_the_tree_in_the_docstring_is_the_tree():
    classes = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.SynthError)
    }
    assert classes == {word for word in errors.__doc__.split() if word in vars(errors)}
    assert len(classes) == 23


def test_what_ends_a_run_is_no_error_of_an_item():
    ending = (errors.ServerDied, errors.BudgetExceeded, errors.StoreError, errors.ConfigError)
    assert not any(issubclass(error, errors.OF_AN_ITEM) for error in ending)


def test_config_error_holds_all_problems():
    error = errors.ConfigError(["a", "b"])
    assert error.problems == ("a", "b")
    assert str(error) == "a\nb"


def test_errors_are_also_what_the_original_kit_raises():
    assert issubclass(errors.SynthError, RuntimeError)
    assert issubclass(errors.ConfigError, ValueError)
