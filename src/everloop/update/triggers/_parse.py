"""From the words of a loop file to triggers."""

from __future__ import annotations

from everloop.errors import invalid, nearest
from everloop.extensions import triggers
from everloop.update.triggers._base import Trigger


def parse_trigger(text: str) -> Trigger:
    """The trigger that a ``when`` entry asks for.

    Raises :class:`~everloop.errors.InvalidInput` with the nearest valid form.
    """
    forms: list[str] = []
    for _, kind in triggers:
        trigger: Trigger | None = kind.parse(text.strip())
        if trigger is not None:
            return trigger
        forms.append(kind.form)
    guess = nearest(text, forms)
    raise invalid(
        "update.when",
        text,
        "one of " + ", ".join(f'"{form}"' for form in forms),
        code="unknown_trigger",
        fix=f'Did you mean "{guess}"?' if guess else None,
    )
