"""What a rollout puts behind an endpoint, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from everloop.deploy.spec import RolloutSpec
from everloop.deploy.state import Arm, Role, check_arms
from everloop.errors import invalid


class Deployed(NamedTuple):
    """A version and the digest of its package."""

    version: int
    digest: str


def plan_arms(champion: Deployed, canary: Deployed | None, weight: float) -> tuple[Arm, ...]:
    """The arms of an endpoint while a canary has a share ``weight`` of the traffic.

    At a weight of 1 the canary has won and is the champion; at 0, or without one, the champion
    is alone. Raises :class:`~everloop.errors.InvalidInput` for a weight beyond 0 to 1.
    """
    if not 0.0 <= weight <= 1.0:
        raise invalid("weight", weight, "a share from 0 to 1")
    if canary is None or weight == 0.0 or canary.version == champion.version:
        return (Arm(champion.version, champion.digest),)
    if weight == 1.0:
        return (Arm(canary.version, canary.digest),)
    return plan_shares(champion, {canary: weight}, "canary")


def plan_shares(champion: Deployed, shares: dict[Deployed, float], role: Role) -> tuple[Arm, ...]:
    """The arms when each new version has a share of its own, and the champion the rest."""
    rest = 1.0 - sum(shares.values())
    arms = (
        Arm(champion.version, champion.digest, rest),
        *(Arm(new.version, new.digest, share, role) for new, share in shares.items()),
    )
    check_arms(arms)
    return arms


def stages(spec: RolloutSpec, champion: Deployed, new: Sequence[Deployed]) -> list[tuple[Arm, ...]]:
    """What each stage of a rollout puts behind the endpoint; the promotion comes after the last.

    >>> spec = RolloutSpec(kind="canary", steps=(0.1, 0.5, 1.0))
    >>> old, fresh = Deployed(1, "a" * 64), Deployed(2, "b" * 64)
    >>> [[arm.weight for arm in arms] for arms in stages(spec, old, [fresh])]
    [[0.9, 0.1], [0.5, 0.5]]
    """
    if spec.kind == "canary":
        return [plan_shares(champion, {new[0]: w}, "canary") for w in spec.steps if w < 1.0]
    if spec.kind in ("ab", "bandit"):
        even = spec.share / len(new)
        return [plan_shares(champion, dict.fromkeys(new, even), "variant")]
    compared = spec.kind == "shadow" or "disagreement" in spec.watch
    role: Role = "shadow" if compared else "standby"
    if spec.kind == "interleave":
        role = "interleaved"
    return [plan_shares(champion, dict.fromkeys(new, 0.0), role)]


def promoted_arms(
    spec: RolloutSpec, champion: Deployed, before: Deployed | None
) -> tuple[Arm, ...]:
    """The arms once a version has won; a blue/green rollout keeps the old one loaded."""
    if spec.kind == "blue_green" and before is not None and before.version != champion.version:
        return plan_shares(champion, {before: 0.0}, "standby")
    return plan_arms(champion, None, 0.0)
