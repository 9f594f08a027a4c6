"""Carries a rollout on: looks at the evidence, asks the guards, moves the traffic.

Each look is whole by itself: it begins with what the database says, and what it decides is there,
with the arms of the endpoint and an event with the numbers, in one transaction. It may be killed
between any two lines; the next process goes on with the next look.
"""

from __future__ import annotations

from typing import Any

import msgspec

from everloop import extensions
from everloop.deploy.bandit import best_chance, shares_of
from everloop.deploy.guards import Batch, Finding, Guard
from everloop.deploy.rates import Counts, rate_interval
from everloop.deploy.rollout import Deployed, plan_arms, stages
from everloop.deploy.rollouts import Rollout, Seen, Wish
from everloop.deploy.state import Arm
from everloop.deploy.trail import keep
from everloop.durations import milliseconds
from everloop.loop.evidence import Evidence
from everloop.loop.project import Project
from everloop.registry.models import ModelVersion
from everloop.store.clock import now_ms

ALPHA = 0.05  # chance of turning down a version that is not worse, over a whole rollout
LOAD_MS = 5000  # of trying before a version that cannot be loaded is given up
SURE = 0.95  # chance of being the best that ends a bandit
MOVED = 0.01  # a bandit's shares are dealt anew when one has moved by more


class Carrier:
    """Carries one rollout on, a look at a time; the first one publishes what is decided."""

    def __init__(self, project: Project, rollout: Rollout) -> None:
        self.project = project
        self.store = project.rollouts
        self.id = rollout.id
        self.champion = self._version(rollout, rollout.champion)
        self.new = [self._version(rollout, version) for version in rollout.versions]
        self.stages = stages(rollout.spec, self.champion, self.new)
        self.guards: list[Guard] = [extensions.guards.get(name) for name in rollout.spec.watch]
        tests = len(self.stages) * len(self.new) * max(len(self.guards), 1)
        self.alpha = ALPHA / max(tests, 1)
        self._evidence: Evidence | None = None

    def look(self) -> Rollout:
        """One look; returns the rollout as it is afterwards."""
        rollout = self.store.get(self.id)
        if rollout.over:
            return rollout
        if self._evidence is None:
            self.project.publish()
            self._evidence = Evidence(self.project, rollout)
        if rollout.wish is not None:
            self._grant(rollout, rollout.wish)
        elif rollout.stage < 0:
            self._enter(rollout, 0)
        else:
            self._watch(rollout, self._evidence)
        return self.store.get(self.id)

    def give_up(self, reason: str) -> None:
        """Give the champion its traffic back, since the rollout cannot be carried on."""
        self._finish(self.store.get(self.id), "rolled_back", reason)

    def _version(self, rollout: Rollout, version: int) -> Deployed:
        return deployed(self.project.registry.version(rollout.model, version))

    # -- a person's word -------------------------------------------------------------------------

    def _grant(self, rollout: Rollout, wish: Wish) -> None:
        if wish.do in ("promote", "rollback"):
            state = "promoted" if wish.do == "promote" else "rolled_back"
            self._end_stage(rollout, state, f"decided by {wish.words}", by=wish.by)
            return
        state = "paused" if wish.do == "pause" else "running"
        with self.project.events.transaction() as conn:
            if state != rollout.state:
                self.store.decide(
                    conn, rollout, f"{wish.do}d", wish.by, {"comment": wish.comment}, state=state
                )
            self.store.done(conn, rollout.id, wish)

    # -- a look ----------------------------------------------------------------------------------

    def _watch(self, rollout: Rollout, evidence: Evidence) -> None:
        self.project.log.ship()
        seen = rollout.evidence
        before = msgspec.json.encode(seen)
        for batches in evidence.read(seen, rollout.stage_began):
            self._observe(seen, batches)
        findings = self._judge(rollout, seen)
        seen.findings = [msgspec.to_builtins(finding) for finding in findings]
        self._keep_time(rollout, seen)
        if msgspec.json.encode(seen) != before:
            seen.trail = keep(seen.trail, now_ms(), rollout.stage, findings, seen.labels)
            self.store.save(rollout.id, seen)
        bad = self._load_error(rollout) or next(
            (f.reason for f in findings if f.verdict == "fail"), None
        )
        if bad is not None:
            self._end_stage(rollout, "rolled_back", bad)
        elif seen.left is None:  # neither paused nor without a data plane
            self._advance(rollout, findings)

    def _observe(self, seen: Seen, batches: dict[int, Batch]) -> None:
        for version, batch in batches.items():
            states = seen.guards.setdefault(str(version), {})
            for guard in self.guards:
                guard.observe(states.setdefault(guard.name, {}), batch)

    def _judge(self, rollout: Rollout, seen: Seen) -> list[Finding]:
        return [
            guard.judge(seen.guards.get(str(v), {}).get(guard.name, {}), rollout.spec, self.alpha)
            for v in rollout.versions
            for guard in self.guards
        ]

    def _keep_time(self, rollout: Rollout, seen: Seen) -> None:
        """Stop the clock of the stage while it is paused or nobody answers."""
        still = rollout.state == "paused" or self.project.serving() is None
        if still and seen.left is None:
            seen.left = max(seen.due - now_ms(), 0)
        elif not still and seen.left is not None:
            seen.due, seen.left = now_ms() + seen.left, None

    def _load_error(self, rollout: Rollout) -> str | None:
        """Why the data plane does not let the new version answer, or None when it does."""
        standing = self.project.serving()
        if standing is None or now_ms() - rollout.stage_began < LOAD_MS:
            return None
        if standing.revision >= self.project.endpoints.get(rollout.endpoint).revision:
            return None
        error = standing.errors.get(rollout.endpoint)
        return None if error is None else f"the data plane cannot load the canary: {error}"

    def _advance(self, rollout: Rollout, findings: list[Finding]) -> None:
        """Go on to the next stage when this one has shown enough, or lasted long enough."""
        seen, spec = rollout.evidence, rollout.spec
        over = now_ms() >= seen.due
        if spec.kind in ("ab", "bandit", "interleave"):
            self._compare(rollout, over)
            return
        said = "; ".join(finding.reason for finding in findings) or "nothing watches it"
        if self.stages[rollout.stage][-1].role == "standby":
            if self._applied(rollout):
                self._end_stage(rollout, "pass", "the new version is loaded beside the old one")
            return
        count = min(seen.requests.get(str(v), (0, 0))[0] for v in rollout.versions)
        if count >= spec.min_requests and all(f.verdict == "ok" for f in findings):
            self._end_stage(rollout, "pass", said)
        elif over:
            said = f"held for {spec.hold} with {count} canary predictions: {said}"
            self._end_stage(rollout, "pass", said)

    def _applied(self, rollout: Rollout) -> bool:
        standing = self.project.serving()
        wanted = self.project.endpoints.get(rollout.endpoint).revision
        return standing is not None and standing.revision >= wanted

    # -- several versions, by their labels ---------------------------------------------------------

    def _compare(self, rollout: Rollout, over: bool) -> None:
        seen = rollout.evidence
        versions = [rollout.champion, *rollout.versions]
        wrong = [Counts(*seen.labels.get(str(version), (0, 0))) for version in versions]
        bandit = rollout.spec.kind == "bandit"
        best, said = _by_chance(wrong) if bandit else _by_intervals(wrong, ALPHA)
        enough = sum(counts.n for counts in wrong) >= rollout.spec.min_requests
        rates = ", ".join(
            f"version {v} wrong on {c.hits} of {c.n}" for v, c in zip(versions, wrong, strict=True)
        )
        if best is not None and enough:
            reason = f"version {versions[best]} is the best by its labels ({said}): {rates}"
            state = "rolled_back" if best == 0 else "promoted"
            self._end_stage(rollout, state, reason, winner=versions[best])
        elif over:
            reason = f"no version was shown to be the best within {rollout.spec.hold}: {rates}"
            self._end_stage(rollout, "rolled_back", reason)
        elif bandit and enough:
            self._deal(rollout, dict(zip(versions, shares_of(best_chance(wrong)), strict=True)))

    def _deal(self, rollout: Rollout, shares: dict[int, float]) -> None:
        """Give each version of a bandit its new share of the traffic."""
        now = self.project.endpoints.get(rollout.endpoint)
        if all(abs(arm.weight - shares[arm.version]) <= MOVED for arm in now.arms):
            return
        rest = 1.0 - sum(share for version, share in shares.items() if version != rollout.champion)
        arms = [
            msgspec.structs.replace(
                arm, weight=rest if arm.role == "champion" else shares[arm.version]
            )
            for arm in now.arms
        ]
        self.project.endpoints.set_rollout(
            rollout.endpoint, rollout.model, arms, actor="controller"
        )
        self.project.publish()

    # -- decisions ---------------------------------------------------------------------------------

    def _enter(self, rollout: Rollout, stage: int) -> None:
        """Begin a stage with its arms; what was seen begins anew, from this place in the log."""
        if not self.stages[stage:]:
            self._finish(rollout, "promoted", "the rollout has no stage to watch")
            return
        old, now = rollout.evidence, now_ms()
        extent = self.project.log.extent(rollout.endpoint)
        seen = Seen(
            predictions=old.predictions or (extent.parts if extent else 0),
            feedback=old.feedback or (extent.feedback_parts if extent else 0),
            due=now + milliseconds(rollout.spec.hold),
            stages=old.stages,
            trail=old.trail,
        )
        arms = self.stages[stage]
        payload = {"stage": stage, "arms": msgspec.to_builtins(arms), "after": old.stages[-1:]}
        with self.project.events.transaction() as conn:
            self.store.decide(
                conn, rollout, "stage", "controller", payload,
                stage=stage, stage_began=now, evidence=seen,
            )  # fmt: skip
            self._set_arms(conn, rollout, arms)
        self.project.publish()

    def _end_stage(
        self,
        rollout: Rollout,
        verdict: str,
        reason: str,
        by: str = "controller",
        winner: int | None = None,
    ) -> None:
        """Note what the stage showed, and go on to the next one or to the end."""
        seen = rollout.evidence
        if rollout.stage >= 0:
            seen.stages.append(self._summary(rollout, verdict, reason, by, winner))
        last = rollout.stage + 1 >= len(self.stages)
        if verdict == "pass" and not last:
            self._enter(rollout, rollout.stage + 1)
        else:
            self._finish(rollout, "promoted" if verdict == "pass" else verdict, reason, by)

    def _summary(
        self, rollout: Rollout, verdict: str, reason: str, by: str, winner: int | None
    ) -> dict[str, Any]:
        """A stage in the words and numbers that the cycle's step, the events and the pages show."""
        seen, first = rollout.evidence, rollout.versions[0]
        arms = self.project.endpoints.get(rollout.endpoint).arms
        counts = {
            name: dict(zip(("requests", "errors"), seen.requests.get(str(v), (0, 0)), strict=True))
            for name, v in (("canary", first), ("champion", rollout.champion))
        }
        rates = [f for f in seen.findings if f["guard"] == "error_rate"]
        return {
            "weight": sum(arm.weight for arm in arms if arm.version in rollout.versions),
            "verdict": "fail" if verdict == "rolled_back" else "pass",
            "reason": reason,
            "by": by,
            "winner": winner,
            **counts,
            "excess": [rates[0]["low"], rates[0]["high"]] if rates else None,
            "findings": seen.findings,
            "labels": seen.labels,
            "ms": now_ms() - rollout.stage_began,
        }

    def _finish(self, rollout: Rollout, state: str, reason: str, by: str = "controller") -> None:
        """The end. A promotion's arms are set by the step that moves the alias with them."""
        seen = rollout.evidence
        with self.project.events.transaction() as conn:
            self.store.decide(
                conn, rollout, state, by, {"reason": reason, "stages": seen.stages[-1:]},
                state=state, reason=reason, evidence=seen, wish=None,
            )  # fmt: skip
            if state == "rolled_back":
                self._set_arms(conn, rollout, plan_arms(self.champion, None, 0.0))
        if state == "rolled_back":
            self.project.publish()

    def _set_arms(self, conn: Any, rollout: Rollout, arms: tuple[Arm, ...]) -> None:
        self.project.endpoints.set_rollout(
            rollout.endpoint, rollout.model, arms, actor="controller", conn=conn
        )


def drop_standbys(project: Project) -> None:
    """Let go of the old versions that blue/green rollouts have kept loaded long enough."""
    for endpoint in project.endpoints.all():
        if not any(arm.role == "standby" for arm in endpoint.arms):
            continue
        newest = project.rollouts.newest(endpoint.name)
        if newest is None or not newest.over:
            continue
        if now_ms() >= newest.updated + milliseconds(newest.spec.keep):
            arms = [arm for arm in endpoint.arms if arm.role != "standby"]
            project.endpoints.set_rollout(endpoint.name, endpoint.model, arms, actor="controller")


def deployed(version: ModelVersion) -> Deployed:
    """A version as a rollout names it."""
    return Deployed(version.version, version.package_digest())


def _by_chance(wrong: list[Counts]) -> tuple[int | None, str]:
    chances = best_chance(wrong)
    best = int(chances.argmax())
    return (best if chances[best] > SURE else None), f"with a chance of {chances[best]:.1%}"


def _by_intervals(wrong: list[Counts], alpha: float) -> tuple[int | None, str]:
    """The version whose rate of wrong answers is shown to be below all others, if one is."""
    found = [rate_interval(counts, alpha / len(wrong)) for counts in wrong]
    for place, (_, high) in enumerate(found):
        if all(high < low for other, (low, _) in enumerate(found) if other != place):
            return place, f"by intervals that hold with {1 - alpha:.0%} at all looks together"
    return None, ""
