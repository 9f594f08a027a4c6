"""``everloop window``: everything that is known of one window's answers."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from everloop.cli._groups import show_groups
from everloop.cli._options import project_options
from everloop.cli._output import detail, heading, next_step, number, print_json, say, table
from everloop.cli._target import opened
from everloop.errors import NotFound, invalid
from everloop.evaluate.fairness.groups import Fairness
from everloop.monitor.coverage import read_coverage
from everloop.monitor.windows import Window

NEWEST = 1000
MOST = 10  # features whose drift is shown


@click.command("window")
@click.argument("start", required=False)
@click.option("--release", is_flag=True, help="Take it out of quarantine: its rows are sound.")
@click.option("--comment", default="", help="Why; kept in the event log.")
@project_options
def command(
    start: str | None,
    release: bool,
    comment: str,
    folder: Path,
    loop_name: str | None,
    as_json: bool,
) -> None:
    """Show one window: every metric as expected and as it was, groups, worst segments, and drift.

    START is the day (2018-03-01) or the moment (2018-03-01T06:00) at which it begins, in UTC; the
    newest window unless given.
    """
    with opened(folder, loop_name) as (loop, _):
        windows = loop.windows(NEWEST)
        window = _chosen(windows, None if start is None else _moment(start))
        if release:
            window = loop.release(window.start, by=getpass.getuser(), comment=comment)
        if as_json:
            print_json(window)
        elif release:
            say(f"The window from {shown(window.start)} is released; its rows may train.")
            next_step("everloop update", "does what the update policy makes of it")
        else:
            _show(loop.name, window)


def _show(name: str, window: Window) -> None:
    heading(f"{name}: {window.rows:,} rows from {shown(window.start)}")
    performance = window.performance or {}
    _metrics(performance)
    _powered(performance)
    _gates(performance)
    _groups(performance)
    _segments(performance)
    _labels(window)
    _doubts(performance)
    _drift(window)
    next_step("everloop monitor", "shows the windows beside each other")


def shown(at: int) -> str:
    """A moment of event time, as a day where it is midnight."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00")


def _moment(text: str) -> int:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise invalid("START", text, "a day or a moment such as 2018-03-01T06:00") from None
    return int(found.replace(tzinfo=found.tzinfo or UTC).timestamp() * 1000)


def _chosen(windows: list[Window], start: int | None) -> Window:
    if start is None and windows:
        return windows[0]
    for window in windows:
        if start is not None and window.start <= start < window.end:
            return window
    raise NotFound("window: none was looked at then. Type everloop monitor to see which were.")


def _metrics(performance: dict[str, Any]) -> None:
    real = performance.get("metrics", {})
    expected = (performance.get("expected") or {}).get("metrics", {})
    if not real and not expected:
        say(_note(performance))
        return
    table(
        ("metric", "tested", "expected", "between", "was", "between"),
        [
            (
                name,
                number((real.get(name) or expected[name])["tested"]),
                *_interval(expected.get(name)),
                *_interval(real.get(name)),
            )
            for name in dict.fromkeys([*real, *expected])
        ],
    )
    value = performance.get("cost")
    if value is not None:
        total = f"{value['total']:,.2f} {value['currency']}".strip()
        say(f"The answers cost {total}, {value['each']:.4g} each.")


def _interval(found: dict[str, Any] | None) -> tuple[str, str]:
    if found is None:
        return "", ""
    low, high = found["low"], found["high"]
    return number(found["value"]), "" if low is None else f"{number(low)} to {number(high)}"


def _note(performance: dict[str, Any]) -> str:
    expected = performance.get("expected") or {}
    return str(performance.get("note") or expected.get("note") or "No labels have come yet.")


def _powered(performance: dict[str, Any]) -> None:
    found = performance.get("prediction_powered")
    if found is not None:
        score, alone = found["score"], found["alone"]
        say(
            f"From {found['labelled']:,} labels and what is expected of the other rows, "
            f"{found['metric']} is {number(score['value'])} ({_interval(score)[1]}); "
            f"the labels alone say {number(alone['value'])} ({_interval(alone)[1]})."
        )


def _labels(window: Window) -> None:
    found = read_coverage(window)
    if found is not None:
        say(f"Labels: {found.sentence()}")


def _gates(performance: dict[str, Any]) -> None:
    for found in performance.get("gates", []):
        tested = found["tested"]
        before = "" if tested is None else f" When it was tested: {number(tested)}."
        detail(f"{found['verdict'].replace('_', ' ')}: {found['detail']}{before}")


def _groups(performance: dict[str, Any]) -> None:
    for found in performance.get("fairness", []):
        if note := found.get("note"):
            detail(note)
        else:
            show_groups(msgspec.convert(found, Fairness))


def _segments(performance: dict[str, Any]) -> None:
    expected = (performance.get("expected") or {}).get("segments")
    found = performance.get("segments") or expected
    if not found:
        return
    if not found["worst"]:
        say(f"No segment of {found['looked']:,} is worse than the rest.")
        return
    how = "" if performance.get("segments") else "expected "
    table(
        ("worst segments", "rows", f"{how}{found['loss']}", "elsewhere", "tested"),
        [
            (s["name"], f"{s['rows']:,}", number(s["loss"]), number(s["rest"]), number(s["tested"]))
            for s in found["worst"]
        ],
    )


def _drift(window: Window) -> None:
    if "drift_note" in window.checks:
        say(f"Drift: {window.checks['drift_note']}.")
    found = window.features
    if not found:
        return
    table(
        ("drift of", "what was found", "most in", "effect", "p-value", ""),
        [
            (
                name, drift["summary"], drift["moved"], number(drift["effect"]),
                f"{drift['p_value']:.2g}", "drifts" if drift["drifted"] else "",
            )
            for name, drift in found[:MOST]
        ],
    )  # fmt: skip
    if len(found) > MOST:
        say(f"The {len(found) - MOST} others are quieter; --json shows all.")


def _doubts(performance: dict[str, Any]) -> None:
    expected = performance.get("expected") or {}
    for warning in expected.get("warnings", []):
        detail(f"doubt: {warning}")
    if expected.get("blind") and "metrics" not in performance:
        say(f"Expected by {expected['method']}. {expected['blind']}")
