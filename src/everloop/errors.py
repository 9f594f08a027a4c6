"""The one form every refusal takes: what was wrong, where, what was expected, how to mend it.

The same exception serves the Python API, the command line (exit code 2), HTTP (a 4xx with the
fields of :meth:`EverloopError.to_dict`) and the loop file. HTTP statuses are mapped in ``server``
and in the data plane, never here.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

COLUMNS_SHOWN = 20  # of a table, in the refusal of one that it lacks


class EverloopError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    message : one sentence for a person; it names the field, what was got and what was expected.
    code : stable, machine-readable, snake_case; callers may match on it.
    path : where in the input, as ``$.columns[2].age`` or a file's name.
    got, expected, fix : the parts of the sentence, for programs that show them apart.
    """

    code = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        path: str | None = None,
        got: Any = None,
        expected: Any = None,
        fix: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.path = path
        self.got = got
        self.expected = expected
        self.fix = fix

    def to_dict(self) -> dict[str, Any]:
        """The error's body in JSON; absent parts are left out."""
        parts = {
            "code": self.code,
            "message": self.message,
            "path": self.path,
            "got": self.got,
            "expected": self.expected,
            "fix": self.fix,
        }
        return {key: value for key, value in parts.items() if value is not None}


class InvalidInput(EverloopError):
    """The caller's input is wrong; nothing was changed."""

    code = "invalid_input"


class NotFound(EverloopError):
    """The thing named does not exist."""

    code = "not_found"


class Conflict(EverloopError):
    """The request contradicts the present state."""

    code = "conflict"


class LeaseLost(Conflict):
    """Another process has taken this work over by now; nothing was written."""

    code = "lease_lost"


class Forbidden(EverloopError):
    """The caller may not do this."""

    code = "forbidden"


class TooLarge(InvalidInput):
    """The input is larger than the stated limit."""

    code = "too_large"


class Integrity(EverloopError):
    """A file, signature or chain is not what was recorded."""

    code = "integrity"


class Unavailable(EverloopError):
    """A part that is needed is not there now; trying again may help."""

    code = "unavailable"


class MissingExtra(EverloopError):
    """An optional dependency is not installed."""

    code = "missing_extra"

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f'{feature} needs an optional dependency: pip install "everloop[{extra}]"',
            fix=f'pip install "everloop[{extra}]"',
        )


def invalid(
    field: str,
    got: Any,
    expected: str,
    *,
    fix: str | None = None,
    code: str = "invalid_value",
    path: str | None = None,
) -> InvalidInput:
    """Build the standard sentence: ``field: got X, expected Y. Fix.``"""
    shown = shorten(got)
    sentence = f"{field}: got {shown}, expected {expected}."
    if fix:
        sentence += f" {fix}"
    return InvalidInput(
        sentence, code=code, path=path or field, got=shown, expected=expected, fix=fix
    )


def shorten(value: Any, limit: int = 80) -> str:
    """``repr`` of a value, cut so that a hostile input cannot fill a log line."""
    said = isinstance(value, str) and value.startswith("<") and value.isprintable()
    text = value if said else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def not_one_of(
    field: str, got: Any, known: Iterable[str], *, code: str = "invalid_value"
) -> InvalidInput:
    """The refusal of a word that is none of ``known``, with the one that it is most like."""
    known = list(known)
    fix = did_you_mean(str(got), known)
    return invalid(field, got, "one of " + ", ".join(known), code=code, fix=fix)


def no_column(
    field: str, name: str, columns: Sequence[str], *, code: str = "unknown_column"
) -> InvalidInput:
    """The refusal of a column that a table does not have, with the first that it has."""
    shown = ", ".join(columns[:COLUMNS_SHOWN])
    if len(columns) > COLUMNS_SHOWN:
        shown += f" and {len(columns) - COLUMNS_SHOWN} more"
    wanted = f"one of the columns {shown}"
    return invalid(field, name, wanted, code=code, fix=did_you_mean(name, columns))


def did_you_mean(
    word: str, choices: Iterable[str], written: Callable[[str], str] = str
) -> str | None:
    """``Did you mean "X"?`` of the choice most like ``word``, or None when none is close.

    ``written`` puts the choice as the user would write it, with a path before it, say.
    """
    guess = nearest(word, choices)
    return None if guess is None else f'Did you mean "{written(guess)}"?'


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice most like ``word``, or None when none is close."""
    found = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.5)
    return found[0] if found else None
