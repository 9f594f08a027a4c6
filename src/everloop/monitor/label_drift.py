"""Labels as they came, against what they were: how often each comes, or how large they are.

A share of returned orders that doubles is a change of the world whatever the features say, and
whether or not the model saw it coming. Labels go through the tests and the control that features
go through, once they are due, beside the labels of the champion's held-out rows. They have their
own windows to remember and a tenth of a window's level, as they come later than the rest.
"""

from __future__ import annotations

from typing import Any

import msgspec
from numpy.typing import NDArray

from everloop.data.schema import Schema
from everloop.extensions import controls
from everloop.monitor.controls._base import Control
from everloop.monitor.episodes import Episodes, follow
from everloop.monitor.findings import compare_features, judge
from everloop.monitor.inputs import drift_alert
from everloop.monitor.labels import present
from everloop.monitor.profile import Profile, sketch_labels
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.windows import Alert, Window

LABEL = "(label)"  # the name under which their drift is found
PART = 0.1  # of the level
LEAST = 0.5  # share of a window's rows; what comes first may be one kind of label


class LabelChain(msgspec.Struct, frozen=True):
    """What a window whose labels were looked at hands on; ``reference`` is the champion's."""

    reference: str = ""
    control: dict[str, dict[str, Any]] = {}
    drift: Episodes = {}


def look_at_label_drift(
    window: Window,
    labels: NDArray[Any],
    known: NDArray[Any],
    schema: Schema,
    spec: MonitorSpec,
    earlier: list[Window],
) -> tuple[Window, list[Alert]]:
    """The window with what was found of its labels among its ``drift``, and what is news.

    ``labels`` are n codes or numbers of its rows, by time, NaN where none has come; ``known``
    those that they are compared with; ``earlier`` the windows before it, newest first. Too few
    labels, and rewards, which are as the answers are, tell nothing.
    """
    there = present(labels)
    if there.sum() < spec.min_rows or there.mean() < LEAST:
        return window, []
    before, now = (_profile(y, schema) for y in (known, labels[there]))
    if before is None or now is None:
        return window, []
    control: Control = controls.get(spec.control, "monitor.control")(spec)
    chain = _chain(earlier, window.checks["reference"])
    compared = compare_features(before, now, spec)
    state = chain.control.get(spec.control, {})
    found, ruling = judge(compared, control, state, spec.min_effect, part=PART)
    drifted = {name: drift.effect for name, drift in found.items() if drift.drifted}
    moving, news = follow(chain.drift, drifted, window.start, worth=spec.min_effect)
    after = LabelChain(chain.reference, {spec.control: ruling.state}, moving)
    told = window.checks.get("drift", {}) | msgspec.to_builtins(found)
    checks = window.checks | {"drift": told, "label_chain": msgspec.to_builtins(after)}
    alerts = [drift_alert(window.endpoint, window.start, name, found[name]) for name in news]
    return msgspec.structs.replace(window, checks=checks), alerts


def with_label_drift(checks: dict[str, Any], before: Window | None) -> dict[str, Any]:
    """``checks`` of rows that are looked at anew, with what their labels said ``before``."""
    if before is None or "label_chain" not in before.checks:
        return checks
    told = checks.get("drift", {}) | {LABEL: before.checks["drift"][LABEL]}
    return checks | {"drift": told, "label_chain": before.checks["label_chain"]}


def _chain(earlier: list[Window], reference: str) -> LabelChain:
    """Of the last window before whose labels were looked at; another champion begins anew."""
    for window in earlier:
        if "label_chain" in window.checks:
            chain = msgspec.convert(window.checks["label_chain"], LabelChain)
            return chain if chain.reference == reference else LabelChain(reference)
    return LabelChain(reference)


def _profile(labels: NDArray[Any], schema: Schema) -> Profile | None:
    sketch = sketch_labels(labels, schema)
    return None if sketch is None else Profile(len(labels), {LABEL: sketch})
