"""How the evidence of a rollout went: a few looks, evenly spread over its time.

A rollout's row is written again with each look, so the trail must stay small: it never holds more
than ``MOST`` looks, and loses every other one when it would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from everloop.deploy.guards import Finding  # with libraries that a server need not load

MOST = 96


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """The numbers of a guard's finding: see :class:`~everloop.deploy.guards.Finding`."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    bound: float | None = None
    evidence: float | None = None
    needed: float | None = None


class Look(msgspec.Struct, frozen=True, array_like=True):
    """What was known at a moment (ms, UTC) of a stage.

    ``marks`` stand in the order of the findings: for each version on trial those of each guard.
    ``labels`` are labelled and wrong answers by version.
    """

    at: int
    stage: int
    marks: list[Mark]
    labels: dict[str, tuple[int, int]] = {}


def mark_of(finding: Finding) -> Mark:
    """Its numbers, with the digits that a drawing shows."""
    return Mark(*(_short(getattr(finding, name)) for name in Mark.__struct_fields__))


def keep(
    trail: Sequence[Look],
    at: int,
    stage: int,
    findings: Sequence[Finding],
    labels: Mapping[str, tuple[int, int]],
) -> list[Look]:
    """The trail with one more look; the newest always stays."""
    look = Look(at, stage, [mark_of(finding) for finding in findings], dict(labels))
    kept = list(trail)
    if len(kept) > 1 and kept[-1].stage == stage == kept[-2].stage:
        apart = (at - kept[0].at) / MOST
        if kept[-1].at - kept[-2].at < apart:
            kept.pop()
    kept.append(look)
    return kept if len(kept) <= MOST else [*kept[:-1:2], kept[-1]]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
