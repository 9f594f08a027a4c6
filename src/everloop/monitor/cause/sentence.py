"""What was found, as one plain sentence."""

from __future__ import annotations

from datetime import UTC, datetime

from everloop.monitor.cause.attribution import CONCEPT, OTHERS, Attribution, Part
from everloop.monitor.cause.carriers import Carrier
from everloop.monitor.cause.change_point import ChangePoint
from everloop.monitor.cause.found import Cause
from everloop.monitor.cause.upstream import Upstream
from everloop.monitor.windows import Alert

TELLING = 0.05  # a smaller share of a loss is not told


def sentence(alert: Alert, cause: Cause) -> str:
    """``dist shifted since 2013-02-09 06:00 (±4 h); 71 % [55, 85] of the loss of 0.031 roc_auc
    comes with dist; …``."""
    parts = [
        _since(alert, cause),
        *_loss(cause.attribution),
        *_where(cause.sources, cause.segments),
        *_upstream(cause.upstream),
        _before(alert, cause),
    ]
    return "; ".join(part for part in parts if part)


def moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def length(ms: float) -> str:
    """A length of time in the unit that it is said in."""
    for name, size in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000)):
        if ms >= 2 * size or (name == "s" and ms >= size):
            return f"{ms / size:.0f} {name}"
    return "1 s"


def _since(alert: Alert, cause: Cause) -> str:
    subject, verb = _subject(alert)
    if cause.since is not None:
        return f"{subject} {verb} since {moment(cause.since.at)} (±{_wide(cause.since)})"
    return f"{subject} {verb} in the window from {moment(alert.window)}"


def _subject(alert: Alert) -> tuple[str, str]:
    if alert.kind == "performance":
        return str(alert.evidence.get("metric") or "performance"), "is worse"
    if alert.kind == "estimate":
        return "what the answers are worth", "is expected to be less"
    if alert.kind == "drift":
        return alert.feature or "the traffic", "shifted"
    if alert.kind == "quality":
        return alert.feature or "a feature", "is broken"
    return alert.summary.rstrip("."), "was seen"


def _wide(since: ChangePoint) -> str:
    return length(max(since.at - since.low, since.high - since.at))


def _loss(found: Attribution | None) -> list[str]:
    if found is None or not found.parts or found.loss is None:
        return []
    concept = found.part(CONCEPT)
    features = [part for part in found.parts if part is not concept]
    most = max(features, key=lambda part: part.share, default=None)
    of = f"of the {'loss' if found.loss > 0 else 'gain'} of {abs(found.loss):.3g} {found.metric}"
    told = []
    if most is not None and most.share >= TELLING and (not concept or most.share >= concept.share):
        told.append(f"{_share(most)} {of} comes with {_named(most)}")
        if concept is not None and concept.share >= TELLING:
            told.append(f"concept change {_share(concept)}")
        if concept is None:
            told.append("whether the concept changed cannot be known: almost no rows are alike")
    elif concept is not None:
        told.append(f"{_share(concept)} {of} is concept change: labels differ at equal features")
        if most is not None and most.share >= TELLING:
            told.append(f"{_share(most)} comes with {_named(most)}")
    return told


def _named(part: Part) -> str:
    return "other features" if part.name == OTHERS else part.name


def _share(part: Part) -> str:
    if part.low == part.high:
        return f"{100 * part.share:.0f} %"
    return f"{100 * part.share:.0f} % [{100 * part.low:.0f}, {100 * part.high:.0f}]"


def _where(sources: list[Carrier], segments: list[Carrier]) -> list[str]:
    told = []
    for one in sources[:1]:
        whole = "all of it" if one.part >= 0.9 else f"{100 * one.part:.0f} % of it"
        told.append(f"{whole} comes from {one.segment} ({100 * one.share:.0f} % of the rows)")
    for one in segments[:1]:
        shares = f"{100 * one.part:.0f} % of it, {100 * one.share:.0f} % of the rows"
        told.append(f"worst in {one.segment} ({shares})")
    return told


def _upstream(found: list[Upstream]) -> list[str]:
    if not found:
        return []
    one = found[0]
    side = "after" if one.away > 0 else "before"
    return [f"nearest change upstream: {one.what}, {length(abs(one.away))} {side}"]


def _before(alert: Alert, cause: Cause) -> str:
    if not cause.similar:
        return "no alert like it before"
    for past in sorted(cause.similar, key=lambda one: -one.window):
        if past.outcome is not None:
            came = (past.outcome.verdict or "under way").replace("_", " ")
            return (
                f"the last such alert that was acted on led to cycle {past.outcome.number}: {came}"
            )
    one = max(cause.similar, key=lambda past: past.window)
    return f"the last such alert, of {moment(one.window)}, led to nothing"
