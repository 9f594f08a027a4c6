"""The verdict that gates lead to, of their results alone."""

from __future__ import annotations

from collections.abc import Sequence

from everloop.evaluate.gates import Blessing, GateResult, bless
from everloop.loop.steps._base import End


def blessed(results: Sequence[GateResult], cause: str) -> tuple[Blessing, End | None]:
    """What the gates of a cycle with a ``cause`` (its kind) allow, and the end that they put to it.

    What is not proven is not promoted, unless the loop file says otherwise. To train is to
    register: only ``run`` and ``update`` ask whether the version is better than the champion.
    """
    blessing = bless([r for r in results if cause != "train" or not r.compares])
    if not blessing.refused:
        return blessing, None
    compares = all(r.compares for r in blessing.refused)
    reason = "; ".join(r.detail for r in blessing.refused)
    return blessing, End("not_worth_it" if compares else "rejected", reason)
