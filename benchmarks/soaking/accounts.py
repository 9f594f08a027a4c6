"""The accounts of a soak: why requests failed, what the log kept, how fast rollbacks were.

Nothing here is taken from what the planes say of themselves but the prediction log and the events:
the callers noted what they were answered, and the stand whom it killed and when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from everloop import extensions
from everloop.deploy.guards import Batch, Rows
from everloop.deploy.rates import Counts
from everloop.deploy.rollouts import Rollout
from everloop.loop.project import Project
from everloop.loop.rollouts import ALPHA
from soaking.callers import Call
from soaking.models import ENDPOINT
from soaking.stand import Outage

SLICE_MS = 50  # the log is judged again for each, to find when the proof was there
SETTLED_S = 20.0  # of a process's life, after which its memory should grow no more

BY_KILL, BY_VERSION, UNEXPLAINED = "data plane killed", "a bad version's own", "unexplained"


class Rollback(NamedTuple):
    """How fast a bad version was gone; times in seconds.

    ``from_first`` : from its first bad answer, ``from_proof`` : from when the log held the proof,
    until its last answer of any kind. ``killed`` : the data or control plane was, meanwhile.
    """

    kind: str
    killed: bool
    state: str
    bad: int
    from_first: float
    from_proof: float | None
    reason: str


def cause(call: Call, outages: Sequence[Outage], failed_by: dict[str, int], bad: set[int]) -> str:
    """What a failed call was due to. ``failed_by`` : the version that the log names, by request."""
    if failed_by.get(call.request) in bad:
        return BY_VERSION
    killed = ("data plane", "worker", "supervisor")
    for out in outages:
        if out.who in killed and call.ended >= out.began and call.began <= out.ended:
            return BY_KILL
    return UNEXPLAINED


class Log(NamedTuple):
    """What the prediction log says of the acknowledged."""

    rows: int  # acknowledged, and expected
    lost: int
    doubled: int
    labels: int
    labels_lost: int
    failed_by: dict[str, int]


def read_log(project: Project, calls: Iterable[Call], labels: set[str]) -> Log:
    """Count each acknowledged row in the log, as it is stored, nothing made unique before."""
    project.log.ship()
    parts = [frame for _, frame in project.log.fresh(ENDPOINT)]
    frame = pl.concat(parts).filter(pl.col("arm") != "shadow")
    failed = frame.filter(pl.col("error").is_not_null())
    answered = frame.filter(pl.col("error").is_null())
    counted = Counter(dict(answered.group_by("request").len().iter_rows()))
    ids = dict(answered.group_by("request").agg(pl.col("id").n_unique()).iter_rows())
    good = [call for call in calls if call.status == 200]
    kept = set(project.log.labels(ENDPOINT)["id"].to_list())
    return Log(
        rows=sum(call.rows for call in good),
        lost=sum(max(call.rows - ids.get(call.request, 0), 0) for call in good),
        doubled=sum(max(counted[call.request] - call.rows, 0) for call in good),
        labels=len(labels),
        labels_lost=len(labels - kept),
        failed_by=dict(zip(failed["request"], failed["version"], strict=True)),
    )


def rolled_back(
    project: Project, cycle: str, kind: str, killed: bool, calls: Sequence[Call]
) -> Rollback:
    """How fast the bad version of a cycle's rollout was gone."""
    rollout = project.rollouts.of_cycle(cycle)
    assert rollout is not None
    (version,) = rollout.versions
    began, updated = rollout.began / 1000, rollout.updated / 1000
    later = [r.began for r in project.rollouts.page(ENDPOINT, limit=10_000)]
    until = min((at for at in later if at > rollout.began), default=rollout.updated + 60_000)
    frame = pl.concat([rows for _, rows in project.log.fresh(ENDPOINT, since=rollout.began)])
    frame = frame.filter(pl.col("at") <= until)
    mine = set(frame.filter(pl.col("version") == version)["request"])
    answered = [call for call in calls if call.request in mine]
    bad = [call for call in answered if kind == "slow" or call.status != 200 or not call.right]
    first = min((call.ended for call in bad), default=began)
    gone = max((call.began for call in answered), default=updated)
    proof = proof_ms(rollout, frame)
    return Rollback(
        kind, killed, rollout.state, len(bad), gone - first,
        None if proof is None else max(gone - proof / 1000, 0.0), rollout.reason or "",
    )  # fmt: skip


def proof_ms(rollout: Rollout, frame: pl.DataFrame) -> float | None:
    """When the log held enough for a guard: the rollout's own guards, over slices of the log."""
    (version,) = rollout.versions
    watched = [extensions.guards.get(name) for name in rollout.spec.watch]
    alpha = ALPHA / (len(rollout.spec.steps) * len(watched))
    states: dict[str, dict[str, Any]] = {guard.name: {} for guard in watched}
    done = frame.with_columns(end=pl.col("at") + pl.col("latency")).sort("end")
    for (end,), part in done.group_by(pl.col("end") // SLICE_MS, maintain_order=True):
        batch = Batch(_rows(part, version), _rows(part, rollout.champion))
        for guard in watched:
            guard.observe(states[guard.name], batch)
            if guard.judge(states[guard.name], rollout.spec, alpha).verdict == "fail":
                return float(end + 1) * SLICE_MS  # type: ignore[operator]
    return None


def _rows(frame: pl.DataFrame, version: int) -> Rows:
    mine = frame.filter(pl.col("version") == version)
    answered = mine.filter(pl.col("error").is_null())
    failed = mine.filter(pl.col("error").is_not_null())["request"].n_unique()
    values = np.array([float(text) for text in answered["y"].cast(pl.String)])
    latencies = answered.unique("request")["latency"].to_numpy()
    return Rows(Counts(mine["request"].n_unique(), failed), latencies, values)


def growth(memory: dict[int, tuple[str, list[tuple[float, float]]]]) -> list[dict[str, Any]]:
    """Each life that lasted: its memory when it had settled, at its end, and the slope between."""
    found = []
    for role, samples in memory.values():
        start = samples[0][0]
        settled = [(t, mb) for t, mb in samples if t - start >= SETTLED_S]
        if len(settled) < 2 or settled[-1][0] - settled[0][0] < SETTLED_S:
            continue
        seconds = settled[-1][0] - settled[0][0]
        grown = settled[-1][1] - settled[0][1]
        found.append(
            {
                "process": role, "life_s": round(samples[-1][0] - start),
                "settled_mb": round(settled[0][1], 1), "end_mb": round(settled[-1][1], 1),
                "mb_per_minute": round(grown / seconds * 60, 2),
            }
        )  # fmt: skip
    return sorted(found, key=lambda one: (one["process"], -one["life_s"]))
