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
from everloop.extensions import controls
from everloop.monitor.controls._base import Control, Ruling
from everloop.monitor.cuts import profile_against
from everloop.monitor.episodes import Episodes, follow
from everloop.monitor.findings import Drift, compare_features, compare_together, find_faults, judge
from everloop.monitor.labels import answer_codes
from everloop.monitor.likeness import Likeness
from everloop.monitor.multivariate.matrix import matrices
from everloop.monitor.parts import FEATURE
from everloop.monitor.profile import Floats, NumberSketch, Profile, label_counts, profile
from everloop.monitor.quality._base import Fault
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.windows import Alert, alert_id
from everloop.store.clock import now_ms


class Chain(msgspec.Struct, frozen=True):
    """What a window hands on to the next one.

    ``control`` is what each control of false alarms remembers, by its name.
    """

    control: dict[str, dict[str, Any]] = {}
    drift: Episodes = {}
    quality: Episodes = {}


def restarted(chain: Chain, spec: MonitorSpec) -> Chain:
    """What is left of a chain when windows are compared with another champion's reference."""
    control: Control = controls.get(spec.control, "monitor.control")(spec)
    left = control.restarted(chain.control.get(spec.control, {}))
    return msgspec.structs.replace(chain, control={spec.control: left})


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
    like: Likeness | None = None,
    of_rows: Callable[[bool], dict[str, Fault]] = lambda small: {},
) -> Inputs:
    """Check ``rows`` of the log (by time, with the schema's types) against the reference.

    ``chain`` comes from the window before; ``recent`` profiles the last sound one on demand;
    ``like`` is what drift is measured from, by default the reference; ``of_rows`` finds faults of
    the rows together, only those of any number of rows when it is told so.
    """
    if rows.height < spec.min_rows:
        note = f"not enough evidence: {rows.height} rows, {spec.min_rows} needed"
        return _too_small(endpoint, start, note, chain, of_rows(True) if spec.quality else {})
    window = profile_rows(rows, schema, reference)
    faults = of_rows(False) | find_faults(reference, window, recent) if spec.quality else {}
    broken, new_faults = follow(chain.quality, dict.fromkeys(faults, 1.0), start)
    alerts = [_fault_alert(endpoint, start, name, faults[name]) for name in new_faults]
    checks: dict[str, Any] = {"faults": msgspec.to_builtins(faults), "drift": {}}
    after = msgspec.structs.replace(chain, quality=broken)
    like = like or Likeness(reference)
    if spec.drift and like.profile is None:
        checks["drift_note"] = like.note
    elif spec.drift:
        found, ruling = _drift(
            rows, schema, reference, window, like, spec, chain, frozenset(faults)
        )
        drifted = {name: drift.effect for name, drift in found.items() if drift.drifted}
        moving, new_drift = follow(chain.drift, drifted, start, worth=spec.min_effect)
        after = Chain(chain.control | {spec.control: ruling.state}, moving, broken)
        alerts += [_drift_alert(endpoint, start, n, found[n]) for n in new_drift]
        checks |= {"level": ruling.level, "drift": msgspec.to_builtins(found)}
    checks["chain"] = msgspec.to_builtins(after)
    return Inputs(checks, alerts, any(fault.quarantine for fault in faults.values()))


def _too_small(
    endpoint: str, start: int, note: str, chain: Chain, faults: dict[str, Fault]
) -> Inputs:
    """A window of too few rows says nothing of its features, and ends no episode."""
    broken, news = follow(chain.quality, dict.fromkeys(faults, 1.0), start)
    after = msgspec.structs.replace(chain, quality=chain.quality | broken)
    checks: dict[str, Any] = {"note": note, "chain": msgspec.to_builtins(after)}
    if faults:
        checks["faults"] = msgspec.to_builtins(faults)
    return Inputs(checks, [_fault_alert(endpoint, start, n, faults[n]) for n in news], False)


def _drift(
    rows: pl.DataFrame,
    schema: Schema,
    reference: Profile,
    window: Profile,
    like: Likeness,
    spec: MonitorSpec,
    chain: Chain,
    skip: frozenset[str],
) -> tuple[dict[str, Drift], Ruling]:
    """Each feature, and all of them together, against what the window should be like."""
    assert like.profile is not None
    if like.profile is not reference:
        window = profile_rows(rows, schema, like.profile)
    compared = compare_features(like.profile, window, spec, skip)
    if like.sample is not None and spec.multivariate:
        sound = tuple(f for f in schema.features if f.name not in skip)
        both = matrices(
            like.sample,
            feature_frame(rows, schema),
            msgspec.structs.replace(schema, features=sound),
            like.profile,
        )
        compared |= compare_together(*both, spec.multivariate)
    control: Control = controls.get(spec.control, "monitor.control")(spec)
    return judge(compared, control, chain.control.get(spec.control, {}), spec.min_effect)


def profile_rows(rows: pl.DataFrame, schema: Schema, reference: Profile | None = None) -> Profile:
    """The profile of rows of the log, answers included; faster when only one ``reference`` is
    to be compared with it."""
    frame, answers = feature_frame(rows, schema), answers_of(rows, schema)
    if reference is None:
        return profile(frame, schema, answers)
    told = None if _says_less(rows, schema, reference) else answers
    return profile_against(frame, schema, reference, told)


def _says_less(rows: pl.DataFrame, schema: Schema, reference: Profile) -> bool:
    """Whether rows from elsewhere have classes alone where the reference is of probabilities."""
    before = reference.prediction
    if schema.task != "binary" or not isinstance(before, NumberSketch):
        return False
    return not {0.0, 1.0}.issuperset(before.points) and rows["p"].null_count() == rows.height


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
        severity="warning" if drift.far else "info",
        feature=feature,
        summary=f"{feature} drifted: {drift.summary} (effect {drift.effect:.2f} of 1)",
        evidence=msgspec.to_builtins(drift),
        at=now_ms(),
    )
