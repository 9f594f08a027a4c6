"""What one window's rows say about quality and drift, with the alerts to raise; nothing is stored.

The state that runs from window to window (how the level was spent, which episodes are under way)
travels in the window's own ``checks``, so that looking at a window again gives the same answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import polars as pl

from everloop.data.schema import Schema
from everloop.monitor.control import Spending
from everloop.monitor.episodes import Episodes, follow
from everloop.monitor.findings import Drift, find_drift, find_faults
from everloop.monitor.labels import answer_codes
from everloop.monitor.parts import FEATURE
from everloop.monitor.profile import Floats, Profile, label_counts, profile
from everloop.monitor.quality._base import Fault
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.windows import Alert, alert_id
from everloop.store.clock import now_ms


class Chain(msgspec.Struct, frozen=True):
    """What a window hands on to the next one."""

    spending: Spending = Spending()
    drift: Episodes = {}
    quality: Episodes = {}


class Inputs(msgspec.Struct, frozen=True):
    """The findings of a window."""

    checks: dict[str, Any]
    alerts: list[Alert]
    quarantined: bool


def inspect(
    endpoint: str,
    start: int,
    rows: pl.DataFrame,
    schema: Schema,
    reference: Profile,
    spec: MonitorSpec,
    chain: Chain,
    recent: Callable[[], Profile | None],
) -> Inputs:
    """Check ``rows`` of the log (by time, with the schema's types) against the reference.

    ``chain`` comes from the window before; ``recent`` profiles the last sound one on demand.
    """
    if rows.height < spec.min_rows:
        note = f"not enough evidence: {rows.height} rows, {spec.min_rows} needed"
        return Inputs({"note": note, "chain": msgspec.to_builtins(chain)}, [], False)
    window = profile_rows(rows, schema)
    faults = find_faults(reference, window, recent) if spec.quality else {}
    level = chain.spending.level(spec.false_alarm_rate)
    drift: dict[str, Drift] = {}
    if spec.drift:
        skip = frozenset(faults)
        drift = find_drift(
            reference, window, chain.spending, spec.false_alarm_rate, spec.min_effect, skip
        )
    drifted = {name: found.effect for name, found in drift.items() if found.drifted}
    broken, new_faults = follow(chain.quality, dict.fromkeys(faults, 1.0), start)
    moving, new_drift = follow(chain.drift, drifted, start)
    after = Chain(chain.spending.after(bool(drifted)), moving, broken)
    alerts = [_fault_alert(endpoint, start, name, faults[name]) for name in new_faults]
    alerts += [_drift_alert(endpoint, start, name, drift[name]) for name in new_drift]
    checks = {
        "level": level,
        "faults": msgspec.to_builtins(faults),
        "drift": msgspec.to_builtins(drift),
        "chain": msgspec.to_builtins(after if spec.drift else chain),
    }
    return Inputs(checks, alerts, any(fault.quarantine for fault in faults.values()))


def profile_rows(rows: pl.DataFrame, schema: Schema) -> Profile:
    """The profile of rows of the log, answers included."""
    return profile(feature_frame(rows, schema), schema, answers_of(rows, schema))


def feature_frame(rows: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """The schema's features in rows of the log, under their own names."""
    return rows.select(
        pl.col(FEATURE + name if FEATURE + name in rows.columns else name).alias(name)
        for name in schema.names
    )


def answers_of(rows: pl.DataFrame, schema: Schema) -> Floats:
    """One number per row that says what was answered, as :func:`profile` takes it."""
    if schema.task == "multilabel":
        return label_counts(answer_codes(rows["y"], schema))
    if schema.task != "binary":
        return answer_codes(rows["y"], schema)
    last = rows["p"].list.last().cast(pl.Float64).to_numpy().astype(np.float64)
    return answer_codes(rows["y"], schema) if np.isnan(last).all() else last


def _fault_alert(endpoint: str, start: int, feature: str, fault: Fault) -> Alert:
    return Alert(
        id=alert_id(endpoint, start, "quality", feature),
        endpoint=endpoint,
        window=start,
        kind="quality",
        severity="critical" if fault.quarantine else "warning",
        feature=feature,
        summary=fault.summary,
        evidence=fault.evidence | {"check": fault.check, "quarantine": fault.quarantine},
        at=now_ms(),
    )


def _drift_alert(endpoint: str, start: int, feature: str, drift: Drift) -> Alert:
    return Alert(
        id=alert_id(endpoint, start, "drift", feature),
        endpoint=endpoint,
        window=start,
        kind="drift",
        severity="warning",
        feature=feature,
        summary=f"{feature} drifted: {drift.summary} (effect {drift.effect:.2f} of 1)",
        evidence=msgspec.to_builtins(drift),
        at=now_ms(),
    )
