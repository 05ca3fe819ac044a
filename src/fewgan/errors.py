"""Errors that a person can act on: what is wrong, and what to do about it."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

Checked = TypeVar("Checked", bound=BaseModel)


class FewganError(Exception):
    """Something failed that the program understands; the command line exits with 1."""


class InputError(FewganError):
    """What was asked for cannot be done as asked; the command line exits with 2.

    The message is one line: it names the thing and the remedy.
    """


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """Build the error for a name that is not among the `known` ones, with the nearest suggested.

    Args:
        kind: What the name stands for, such as "method" or "data set".
        name: The name that was given.
        known: The names that would have been right.
    """
    names = list(known)
    near = difflib.get_close_matches(str(name).lower(), [str(n).lower() for n in names], 1, 0.4)
    hint = [n for n in names if near and str(n).lower() == near[0]]
    advice = f"did you mean {hint[0]!r}?" if hint else f"choose from {', '.join(names)}"
    return InputError(f"unknown {kind} {name!r}: {advice}")


def invalid(error: ValidationError) -> InputError:
    """Build the error for settings that do not validate: the first one, its value and the rule."""
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    rule = first["msg"].removeprefix("Value error, ").lower()
    return InputError(f"setting {name} = {first['input']!r}: {rule}")


def validated(model: type[Checked], values: Mapping[str, Any]) -> Checked:
    """Settings from their values by name.

    Raises:
        InputError: One is unknown, or breaks its rule.
    """
    for name in values:
        if name not in model.model_fields:
            raise unknown("setting", name, model.model_fields)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise invalid(error) from None
