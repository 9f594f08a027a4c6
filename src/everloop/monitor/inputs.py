"""What one window's rows say about quality and drift, with the alerts to raise; nothing is stored.

The state that runs from window to window (how the level was spent, which episodes are under way)
travels in the window's own ``checks``, so that looking at a window again gives the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import msgspec
import numpy as np
import polars as pl

from everloop.data.schema import Schema
from everloop.extensions import controls
from everloop.monitor.controls._base import Control, Ruling
from everloop.monitor.cuts import profile_against
from everloop.monitor.episodes import Episodes, follow
from everloop.monitor.findings import (
    Compared,
    Drift,
    Within,
    compare_features,
    compare_together,
    find_faults,
    judge,
)
from everloop.monitor.labels import answer_codes
from everloop.monitor.likeness import Likeness
from everloop.monitor.multivariate.matrix import matrices
from everloop.monitor.parts import FEATURE
from everloop.monitor.profile import (
    PREDICTION,
    Floats,
    NumberSketch,
    Profile,
    label_counts,
    profile,
)
from everloop.monitor.quality._base import Fault
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.windows import Alert, alert_id
from everloop.monitor.within import Place, segments_of
from everloop.store.clock import now_ms

SHOWN, MOST_SHOWN = 10, 30  # segments that a window keeps
FOREMOST = 2.0  # times the effect over all rows


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
        few = "1 row" if rows.height == 1 else f"{rows.height} rows"
        note = f"not enough evidence: {few}, {spec.min_rows} needed"
        return _too_small(endpoint, start, note, chain, of_rows(True) if spec.quality else {})
    window = profile_rows(rows, schema, reference)
    faults = _faults(of_rows(False), reference, window, recent) if spec.quality else {}
    broken, new_faults = follow(chain.quality, dict.fromkeys(faults, 1.0), start)
    alerts = [fault_alert(endpoint, start, name, faults[name]) for name in new_faults]
    checks: dict[str, Any] = {"faults": msgspec.to_builtins(faults), "drift": {}}
    after = msgspec.structs.replace(chain, quality=broken)
    like = like or Likeness(reference)
    if spec.drift and like.profile is None:
        checks["drift_note"] = like.note
    elif spec.drift:
        seen = _drift(rows, schema, reference, window, like, spec, chain, frozenset(faults))
        found, ruling, places = seen
        drifted = {n: d.effect for n, d in found.items() if d.drifted and n not in places}
        apart = _apart(found, places, {*drifted, *chain.drift})
        episodes = drifted | {name: found[name].effect for name in apart}
        moving, news = follow(chain.drift, episodes, start, worth=spec.min_effect)
        after = Chain(chain.control | {spec.control: ruling.state}, moving, broken)
        for name in news:
            place = places.get(name) or _foremost(name, found, places)
            alerts.append(drift_alert(endpoint, start, name, found[name], place))
        checks |= {"level": ruling.level, "drift": _kept(found, places, inside=False)}
        if places:
            checks["segments"] = _kept(found, places, inside=True)
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
    return Inputs(checks, [fault_alert(endpoint, start, n, faults[n]) for n in news], False)


def _drift(
    rows: pl.DataFrame,
    schema: Schema,
    reference: Profile,
    window: Profile,
    like: Likeness,
    spec: MonitorSpec,
    chain: Chain,
    skip: frozenset[str],
) -> tuple[dict[str, Drift], Ruling, dict[str, Place]]:
    """Each feature, all of them together, and each in each segment, against what the window
    should be like; the last are those at the ``places``."""
    assert like.profile is not None
    if like.profile is not reference:
        window = profile_rows(rows, schema, like.profile)
    compared = compare_features(like.profile, window, spec, skip)
    frame = feature_frame(rows, schema)
    if like.sample is not None and spec.multivariate:
        sound = tuple(f for f in schema.features if f.name not in skip)
        both = matrices(
            like.sample,
            frame,
            msgspec.structs.replace(schema, features=sound),
            like.profile,
        )
        compared |= compare_together(*both, spec.multivariate)
    control: Control = controls.get(spec.control, "monitor.control")(spec)
    state = chain.control.get(spec.control, {})
    if like.sample is None or not spec.within:
        return *judge(compared, control, state, spec.min_effect), {}
    segments = segments_of(like.sample, schema, like.profile)
    inside = segments.compare(frame, spec.tolerance, skip, control.running(state))
    within = Within(
        {p.name: Compared("segment", *said) for p, said in inside.items()}, segments.looked
    )
    places = {place.name: place for place in inside}
    return *judge(compared, control, state, spec.min_effect, within), places


def _apart(found: dict[str, Drift], places: dict[str, Place], moving: Collection[str]) -> list[str]:
    """Of each feature the segment in which it surely drifted.

    Not where it or what makes the segment drifts in all rows, nor of two numbers where features
    go together otherwise than they did: that is told already.
    """
    surest: dict[str, str] = {}
    together = any(name.startswith("(") and name != PREDICTION for name in moving)
    for name in sorted(places, key=lambda n: (found[n].adjusted, -found[n].effect)):
        place = places[name]
        told = {place.feature, place.of} & set(moving) or (place.quarter and together)
        if found[name].drifted and not told:
            surest.setdefault(place.feature, name)
    return list(surest.values())


def _foremost(name: str, found: dict[str, Drift], places: dict[str, Place]) -> Place | None:
    """The segment in which a drift of all rows is much larger, if there is one."""
    inside = [p for n, p in places.items() if p.feature == name and found[n].drifted]
    best = max(inside, key=lambda place: found[place.name].effect, default=None)
    far = best is not None and found[best.name].effect >= FOREMOST * found[name].effect
    return best if far else None


def _kept(found: dict[str, Drift], places: dict[str, Place], inside: bool) -> dict[str, Any]:
    """The features, or of the segments those that drift and the surest few of the others."""
    names = [name for name in found if (name in places) == inside]
    if inside:
        names = sorted(names, key=lambda n: found[n].adjusted)
        names = [n for i, n in enumerate(names) if i < SHOWN or found[n].drifted][:MOST_SHOWN]
    return {
        name: msgspec.to_builtins(found[name])
        | ({"feature": places[name].feature, "segment": places[name].segment} if inside else {})
        for name in names
    }


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


def _faults(
    of_rows: dict[str, Fault],
    reference: Profile,
    window: Profile,
    recent: Callable[[], Profile | None],
) -> dict[str, Fault]:
    """Of rows and of features; values of another kind count as missing, but are told as such."""
    retyped = {name: fault for name, fault in of_rows.items() if fault.check == "type_change"}
    return of_rows | find_faults(reference, window, recent) | retyped


def feature_frame(rows: pl.DataFrame, schema: Schema, beside: bool = False) -> pl.DataFrame:
    """The schema's features in rows of the log, under their own names; and, where asked for, the
    columns ``beside`` them that the rows have."""
    names = list(schema.names)
    if beside:
        there = set(rows.columns)
        names += [n for n in schema.beside if n in there or FEATURE + n in there]
    return rows.select(
        pl.col(FEATURE + name if FEATURE + name in rows.columns else name).alias(name)
        for name in names
    )


def answers_of(rows: pl.DataFrame, schema: Schema) -> Floats:
    """One number per row that says what was answered, as :func:`profile` takes it."""
    if schema.task == "multilabel":
        return label_counts(answer_codes(rows["y"], schema))
    if schema.task != "binary":
        return answer_codes(rows["y"], schema)
    last = rows["p"].list.last().cast(pl.Float64).to_numpy().astype(np.float64)
    return answer_codes(rows["y"], schema) if np.isnan(last).all() else last


def fault_alert(endpoint: str, start: int, feature: str, fault: Fault) -> Alert:
    """What is told of a fault."""
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


def drift_alert(
    endpoint: str, start: int, name: str, drift: Drift, place: Place | None = None
) -> Alert:
    """What is told of a drift, of all rows or of those at the ``place``."""
    feature = name if place is None else place.feature
    segment = {} if place is None else {"segment": place.segment}
    return Alert(
        id=alert_id(endpoint, start, "drift", name),
        endpoint=endpoint,
        window=start,
        kind="drift",
        severity="warning" if drift.far else "info",
        feature=feature,
        summary=f"{feature} drifted: {drift.summary} (effect {drift.effect:.2f} of 1)",
        evidence=msgspec.to_builtins(drift) | segment,
        at=now_ms(),
    )
