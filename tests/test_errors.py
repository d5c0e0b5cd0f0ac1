"""The tree of errors, and what may be retried."""

import inspect

from synth import errors


def test_the_tree_in_the_docstring_is_the_tree():
    classes = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.SynthError)
    }
    assert classes == {word for word in errors.__doc__.split() if word in vars(errors)}
    assert len(classes) == 16


def test_only_transient_errors_may_be_retried():
    assert (errors.TransientError,) == errors.RETRYABLE


def test_config_error_holds_all_problems():
    error = errors.ConfigError(["a", "b"])
    assert error.problems == ("a", "b")
    assert str(error) == "a\nb"


def test_errors_are_also_what_the_original_kit_raises():
    assert issubclass(errors.SynthError, RuntimeError)
    assert issubclass(errors.ConfigError, ValueError)
