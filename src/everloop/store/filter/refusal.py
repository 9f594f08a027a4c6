"""How a filter or an order is refused: what is wrong, and at which character."""

from __future__ import annotations

from everloop.errors import InvalidInput, shorten


class Unreadable(InvalidInput):
    """A filter or an order that cannot be read; ``at`` is the place in it, counted from 0."""

    at: int | None = None


def bad_filter(message: str, at: int | None = None, *, got: str | None = None) -> InvalidInput:
    """The refusal of a filter; ``at`` counts from 0 and is shown from 1."""
    return _refusal("filter", message, at, got)


def bad_order(message: str, *, got: str | None = None) -> InvalidInput:
    """The refusal of an order."""
    return _refusal("order_by", message, None, got)


def _refusal(path: str, message: str, at: int | None, got: str | None) -> InvalidInput:
    place = "" if at is None else f" (at character {at + 1})"
    shown = None if got is None else shorten(got)
    refused = Unreadable(f"{message}{place}", code=f"bad_{path}", path=path, got=shown)
    refused.at = at
    return refused


def check_text(path: str, text: str, longest: int) -> None:
    """Refuse text that is too long or that no database keeps."""
    if len(text) > longest:
        raise _refusal(path, f"{path}: got {len(text)} characters, expected at most {longest}.",
                       None, None)  # fmt: skip
    at = text.find("\0")
    if at < 0:
        at = next((i for i, sign in enumerate(text) if "\ud800" <= sign <= "\udfff"), -1)
    if at >= 0:
        raise _refusal(path, f"{path}: got a character that is not text, expected Unicode text.",
                       at, None)  # fmt: skip
