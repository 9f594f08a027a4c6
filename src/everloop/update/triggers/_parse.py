"""From the words of a loop file to triggers."""

from __future__ import annotations

from everloop.errors import invalid, nearest
from everloop.extensions import triggers
from everloop.update.spec import UpdateSpec
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


def check_triggers(spec: UpdateSpec) -> None:
    """Raise for the first entry of ``when`` that is no trigger, or a bad ``min_gain``."""
    for text in spec.when:
        parse_trigger(text)
    if not 0 <= spec.min_gain < 1:
        raise invalid("update.min_gain", spec.min_gain, "a share in [0, 1)")
