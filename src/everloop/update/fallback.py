"""What to do about a feature that broke, beside waiting until its source is mended.

The broken rows train nothing in any case. ``drop`` trains a model on the sound rows without the
feature; ``version`` lets the newest version serve that does not read it.
"""

from __future__ import annotations

import msgspec

from everloop.update.situation import Seen, Situation
from everloop.update.spec import UpdateSpec


class Fallback(msgspec.Struct, frozen=True):
    """The way out: features that are left ``out``, or the ``version`` that serves instead."""

    reason: str
    out: tuple[str, ...] = ()
    version: int | None = None


def fallback_of(situation: Situation, spec: UpdateSpec) -> Fallback | None:
    """The way out of a broken newest window, where the policy has one and it was not tried yet.

    None where nothing but waiting is left: no feature is what broke (labels, volume), all of them
    are, or no version does without.
    """
    newest = situation.newest
    if newest is None or spec.fallback == "wait" or not newest.broken or situation.attempted:
        return None
    names = ", ".join(newest.broken)
    if spec.fallback == "drop":
        return Fallback(
            f"A model without {names} is trained on the sound rows, as update.fallback says.",
            out=newest.broken,
        )
    if situation.without is None:
        return None
    return Fallback(
        f"Version {situation.without} does not read {names} and serves instead, as "
        "update.fallback says.",
        version=situation.without,
    )


def left_to_wait(newest: Seen, situation: Situation, spec: UpdateSpec) -> str:
    """Why a policy with a way out waits all the same; a sentence, or nothing."""
    if spec.fallback == "wait":
        return ""
    if not newest.broken:
        return " No feature is what broke, so nothing can be left out."
    if situation.attempted:
        return f" A way round {', '.join(newest.broken)} was tried already."
    return f" No version does without {', '.join(newest.broken)}."
