"""Texts with names in them: Jinja, where a name that does not exist is an error."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import jinja2
import jinja2.meta

_templates = jinja2.Environment(
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=False,
    autoescape=False,  # noqa: S701  (prompts are text, not HTML)
)
_FAULTS = (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError)
"""What a template may raise when it is filled."""

_NAME_ALONE = re.compile(r"\{\{ *(\w+) *\}\}")


class TemplateFault(Exception):  # noqa: N818
    """A template that can't be compiled or filled; its text says why."""


class Template:
    """A template that uses no name but those it was given; ``used`` are those it does use."""

    def __init__(self, source: str, names: Collection[str]) -> None:
        """Compile it.

        Raises:
            TemplateFault: if it is none, or uses another name in any of its branches.
        """
        try:
            used = jinja2.meta.find_undeclared_variables(_templates.parse(source))
            self._template = _templates.from_string(source)
        except jinja2.TemplateError as error:
            raise TemplateFault(f"{error}; {_known(names)}") from error
        # Most templates are a name alone, and Jinja takes a hundred times as long to fill one.
        found = _NAME_ALONE.fullmatch(source)
        self._name = found[1] if found else None
        self.used = frozenset(used)
        if unknown := sorted(used - {*names, *_templates.globals}):
            raise TemplateFault(f"{unknown[0]!r} is undefined; {_known(names)}")

    def fill(self, values: Mapping[str, Any]) -> str:
        """Return the text with the values in it.

        Raises:
            TemplateFault: if it does with a value what can't be done.
        """
        if self._name is not None and self._name in values:
            return str(values[self._name])
        try:
            return self._template.render(values)
        except _FAULTS as error:
            raise TemplateFault(str(error)) from error


def nothing(names: Iterable[str]) -> dict[str, jinja2.Undefined]:
    """Return values for names that may be missing: empty where they are shown, false where asked."""
    return {name: jinja2.Undefined(name=name) for name in names}


def _known(names: Iterable[str]) -> str:
    *others, last = (f"{{{{ {name} }}}}" for name in names)
    return f"it may use {', '.join(others)} and {last}"
