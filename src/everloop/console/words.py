"""Values in a person's words: times, spans, verdicts, causes, and what a step did."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

# How a verdict or a state is coloured.
TONES = {
    "promoted": "good", "registered": "good", "passed": "good", "pass": "good", "done": "good",
    "reproduced": "good", "differs": "warn",
    "not_worth_it": "warn", "rejected": "warn", "declined": "warn", "not_enough_evidence": "warn",
    "waiting": "warn", "warning": "warn", "approve": "good", "approved": "good", "reject": "bad",
    "silence": "warn", "delayed": "warn",
    "refused": "bad", "rolled_back": "bad", "failed": "bad", "failed_gates": "bad", "fail": "bad",
    "critical": "bad",
    "running": "live", "continue": "live",
    "active": "good", "sent": "good", "stopped": "warn",
    "finished": "good", "killed": "warn",
    "production": "good", "staging": "live",
}  # fmt: skip
CAUSES = {
    "person": "asked by a person", "train": "asked to train", "deploy": "asked to deploy",
    "test": "asked to test", "reproduce": "asked to reproduce",
    "data": "new data", "drift": "drift",
    "quality": "a fault in the data", "fallback": "a way round a fault",
    "performance": "worse performance",
    "estimate": "worse performance, by an estimate",
    "schedule": "its schedule", "volume": "new labelled rows",
}  # fmt: skip


def tone(word: str | None) -> str:
    """The colour class of a verdict or state; ``plain`` for any other word."""
    return TONES.get(word or "", "plain")


def plain(word: str | None) -> str:
    """``not_worth_it`` as ``not worth it``."""
    return (word or "").replace("_", " ")


def moment(ms: int | None) -> str:
    """A time as ``2013-05-01 12:30 UTC``."""
    if ms is None:
        return "–"
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def iso(ms: int) -> str:
    """A time as machines read it."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def ago(ms: int | None, now: int) -> str:
    """``3 min ago``."""
    if ms is None:
        return "–"
    seconds = max(now - ms, 0) / 1000
    return "just now" if seconds < 5 else f"{span(seconds)} ago"


def span(seconds: float | None) -> str:
    """A stretch of time, two digits of it: ``0.42 s``, ``12 s``, ``3 min``, ``2 h``, ``5 d``."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds >= 0.01 else "< 0.01 s"
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def number(value: float | int | None) -> str:
    """A number with four significant digits; whole numbers with their thousands apart."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, int) or (value == int(value) and abs(value) >= 1000):
        return f"{int(value):,}"
    return f"{value:.4g}"


def measure(value: float) -> str:
    """A metric's value, however large; NaN says so."""
    if math.isnan(value):
        return "NaN"
    return f"{value:.4g}" if abs(value) >= 1e12 else number(value)


def size(count: int | None) -> str:
    """Bytes as ``12 B``, ``3.4 kB``, ``1.2 MB``."""
    if count is None:
        return ""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if count >= 10**power:
            return f"{count / 10**power:.3g} {unit}"
    return f"{count} B"


def score(value: float | None) -> str:
    """A metric's value: four decimals, fewer for large ones."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.4f}" if abs(value) < 100 else number(value)


def percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def share(value: float | None) -> str:
    """A share that never claims to be all or nothing unless it is."""
    if value is None:
        return "–"
    if 0 < value < 0.001 or 0.999 < value < 1:
        return "< 0.1 %" if value < 0.5 else "> 99.9 %"
    return f"{value:.1%}".replace("%", " %")


def interval(low: float | None, high: float | None) -> str:
    """``0.6100 to 0.6400``, or nothing."""
    if low is None or high is None:
        return ""
    return f"{score(low)} to {score(high)}"


def cause_words(cause: dict[str, Any]) -> str:
    """Why a cycle began."""
    kind = str(cause.get("kind", ""))
    words = CAUSES.get(kind, plain(kind))
    detail = cause.get("summary") or cause.get("reason") or cause.get("comment")
    if not detail and cause.get("version") is not None:
        detail = f"version {cause['version']}"
    if not detail and cause.get("source"):
        detail = PurePath(str(cause["source"])).name
    return f"{words}: {detail}" if detail else words


def cause_brief(cause: dict[str, Any]) -> str:
    """Why a cycle began, in a few words: the features that alarmed instead of their numbers."""
    features = cause.get("features") or []
    if not features:
        kind = str(cause.get("kind", ""))
        alarm = kind in ("drift", "performance", "estimate", "quality")
        return CAUSES.get(kind, plain(kind)) if alarm else cause_words(cause)
    shown = ", ".join(str(f) for f in features[:3])
    more = f" and {len(features) - 3} more" if len(features) > 3 else ""
    return f"{CAUSES.get(str(cause.get('kind', '')), plain(cause.get('kind')))}: {shown}{more}"


def reason_words(reason: str | None, verdict: str | None, cause: dict[str, Any]) -> str:
    """A verdict's reason without what stands beside it already: the verdict's name, the cause."""
    text = (reason or "").strip()
    seen = cause.get("reason")
    if seen:
        text = text.removesuffix(f" Seen: {seen}.")
    name = plain(verdict)
    if name and text.lower().startswith(f"{name}: "):
        text = text[len(name) + 2 :]
        text = text[:1].upper() + text[1:]
    return text


def day(ms: int) -> str:
    """A window's start, without a midnight's hour."""
    return moment(ms).removesuffix(" 00:00 UTC")


def short_day(ms: int, span_ms: int) -> str:
    """A window's start in the head of a column: the day, or the hour where windows are short."""
    form = "%d %b" if span_ms >= 3 * 86_400_000 else "%d %H:%M"
    return datetime.fromtimestamp(ms / 1000, UTC).strftime(form)


def bare(name: str) -> str:
    """The name of what is no column without its brackets: ``(prediction)`` as ``prediction``."""
    return name[1:-1] if name.startswith("(") and name.endswith(")") else name


def effect(evidence: dict[str, Any]) -> float | None:
    """How large a drift is, 0 to 1; None for other findings."""
    value = evidence.get("effect")
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return min(max(float(value), 0.0), 1.0)


def step_words(step: str, result: dict[str, Any]) -> str:
    """One line of what a step did; empty while it has no result."""
    words = _STEP_WORDS.get(step)
    try:
        return words(result) if words and result else ""
    except (KeyError, TypeError, ValueError):
        return ""  # a result of another version of everloop


def _snapshot(r: dict[str, Any]) -> str:
    if "referred" in r:
        return _referred(r, r["referred"])
    return (
        f"{number(r['rows'])} rows as {r['dataset'][:12]}: {number(r['train_rows'])} to train, "
        f"{number(r['test_rows'])} to test ({r['split']})"
    )


def _referred(r: dict[str, Any], whole: dict[str, Any]) -> str:
    """Rows that stay where they are: how many there are, and how many of them are kept."""
    parts = f"{whole['parts']} part{'s' if whole['parts'] > 1 else ''}"
    return (
        f"{number(r['rows'])} rows by reference ({parts}) as {r['dataset'][:12]}: "
        f"{number(whole['train_rows'])} to train ({number(r['train_rows'])} kept), "
        f"{number(whole['test_rows'])} to test ({number(r['test_rows'])} kept) ({r['split']})"
    )


def _probe(r: dict[str, Any]) -> str:
    if "worth" not in r:
        return str(r["why"])
    worth = r["worth"]
    if not worth["enough"]:
        return str(worth["note"])
    if "weighed" not in r and "method" in r:
        return str(r["method"]["why"])
    return (
        f"a quick challenger gains {worth['gain']:+.4f} ({worth['low']:+.4f} to "
        f"{worth['high']:+.4f}) in {worth['metric']}, {worth['needed']:.4f} needed: "
        f"{'worth' if worth['worth'] else 'not worth'} a cycle"
    )


def _train(r: dict[str, Any]) -> str:
    if r.get("version"):
        return f"nothing was fitted; version {r['version']} is proposed"
    if "algorithm" not in r:
        return "nothing was fitted, and no version is proposed"
    if (made := r.get("method", {}).get("name", "retrain")) != "retrain":
        return f"{r['algorithm']} by {made}"
    best = f"{r['algorithm']} is the best of {len(r['candidates'])} by {r['metric']}"
    streamed = [r["streamed"]["note"]] if "streamed" in r else []
    return "; ".join([best, *validation_words(r), *streamed])


def validation_words(trained: dict[str, Any]) -> list[str]:
    """Which training rows chose, and how good the whole choice is where that was asked for."""
    words = []
    if trained.get("validation"):
        words.append(f"chosen on {trained['validation']['rows']}")
    if trained.get("nested"):
        found = trained["nested"]
        within = interval(found["low"], found["high"])
        words.append(
            f"choosing itself has {trained['metric']} {score(found['value'])}"
            f"{f' ({within})' if within else ''} in {len(found['scores'])} outer parts"
        )
    return words


def _evaluate(r: dict[str, Any]) -> str:
    main = r["metrics"][r["metric"]]
    passed = sum(gate["verdict"] == "pass" for gate in r["gates"])
    gates = f"{passed} of {len(r['gates'])} gates passed"
    shown = f"{r['metric']} {score(main['value'])} ({interval(main['low'], main['high'])})"
    return f"{shown} on {number(r['rows'])} rows; {gates}"


def _deploy(r: dict[str, Any]) -> str:
    if r["kind"] == "direct":
        return f"direct: {r['why']}"
    return "; ".join(f"{percent(s['weight'])}: {s['verdict']}" for s in r["steps"])


_STEP_WORDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "probe": _probe,
    "snapshot": _snapshot,
    "train": _train,
    "evaluate": _evaluate,
    "retest": _evaluate,
    "reproduce": lambda r: f"{r['algorithm']} again: {r['metric']} {number(r['now'])}",
    "register": lambda r: f"version {r['version']}, package {r['digest'][:12]}, signed",
    "approve": lambda r: (
        f"approved by {r['by']}" if r.get("approved") else f"declined by {r['by']}"
    ),
    "deploy": _deploy,
    "promote": lambda r: f"version {r['version']} answers all traffic",
}


def diff_lines(text: str) -> list[tuple[str, str]]:
    """The lines of a diff, each with what it is: added, removed, place or plain."""
    kinds = {"+": "added", "-": "removed", "@": "place", "d": "place"}
    return [(kinds.get(line[:1], "plain"), line) for line in text.splitlines()]
