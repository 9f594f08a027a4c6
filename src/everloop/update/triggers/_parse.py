"""From the words of a loop file to triggers."""

from __future__ import annotations

from everloop.errors import did_you_mean, invalid
from everloop.extensions import triggers
from everloop.update.triggers._base import Trigger


def find_trigger(text: str) -> Trigger | None:
    """The trigger whose form ``text`` has, or None."""
    read = (kind.parse(text.strip()) for _, kind in triggers)
    return next((trigger for trigger in read if trigger is not None), None)


def parse_trigger(text: str) -> Trigger:
    """The trigger that a ``when`` entry asks for.

    Raises :class:`~everloop.errors.InvalidInput` with the nearest valid form.
    """
    trigger = find_trigger(text)
    if trigger is not None:
        return trigger
    forms = [kind.form for _, kind in triggers]
    raise invalid(
        "update.when",
        text,
        "one of " + ", ".join(f'"{form}"' for form in forms),
        code="unknown_trigger",
        fix=did_you_mean(text, forms),
    )
