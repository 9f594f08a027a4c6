"""``everloop monitor``: what the traffic says, and what the update policy makes of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from everloop.cli._options import project_options
from everloop.cli._output import (
    detail,
    heading,
    next_step,
    number,
    print_json,
    say,
    table,
    verdict,
)
from everloop.cli._target import AnyLoop, opened
from everloop.cli._window_report import report
from everloop.loop.watching import Looked
from everloop.monitor.cause.found import Cause
from everloop.monitor.cause.sentence import length, moment
from everloop.monitor.windows import Window


@click.group("monitor", invoke_without_command=True)
@click.option(
    "--windows",
    "count",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="How many windows to show.",
)
@project_options
@click.pass_context
def command(
    context: click.Context, count: int, folder: Path, loop_name: str | None, as_json: bool
) -> None:
    """Look at every window that is over: quality, drift, performance; say what they call for.

    Nothing is started by looking; `everloop update` acts, and so does the controller of
    `everloop up`.
    """
    if context.invoked_subcommand is not None:
        given = {"folder": folder, "loop_name": loop_name, "as_json": as_json}
        context.default_map = {context.invoked_subcommand: given}
        return
    with opened(folder, loop_name) as (loop, project):
        seen = loop.monitor()
        windows = loop.windows(count)
        if as_json:
            print_json({"looked": seen, "windows": windows})
            return
        heading(f"{loop.name}: endpoint {loop.endpoint}")
        for damage in project.log.quarantine.listing() if project is not None else []:
            detail(f"quarantined: {damage.sentence()}")
        if not windows:
            say("No window of traffic is over yet.")
            started = project is None or project.supervisor() is not None
            what = "everloop status" if started else "everloop up"
            next_step(what, "shows where predictions go" if started else "takes traffic and looks")
            return
        table(
            ("window", "rows", "labelled", "expected", "score", "tested", "drifting", "state"),
            [_row(window) for window in windows],
        )
        show_looked(loop, seen, as_json=False)


command.add_command(report)


def show_looked(loop: AnyLoop, seen: Looked, as_json: bool) -> None:
    """The new alerts, the decision and the next command."""
    if as_json:
        print_json(seen)
        return
    for alert in seen.alerts:
        detail(f"{alert.id[:8]}  {alert.kind}: {alert.summary}")
    say(seen.decision.reason)
    if seen.cycle is not None and seen.cycle.verdict is not None:
        verdict(seen.cycle.verdict, seen.cycle.reason or "")
    if seen.decision.action == "cycle" and seen.cycle is None:
        next_step("everloop update", f"trains a challenger for {loop.name}")
    elif seen.alerts:
        next_step(f"everloop monitor why {seen.alerts[-1].id[:8]}", "says what an alert came from")
    else:
        next_step("everloop history", "shows what was decided before")


@command.command("why")
@click.argument("alert")
@click.option("--again", is_flag=True, help="Find it anew, instead of what was kept.")
@project_options
def why(alert: str, again: bool, folder: Path, loop_name: str | None, as_json: bool) -> None:
    """Say what an ALERT came from: its id, or the first characters that `everloop monitor` shows.

    Since when, how much of a loss comes with which features and how much is concept change, where,
    what was changed nearby, and what was done about alerts like it.
    """
    with opened(folder, loop_name) as (loop, _):
        cause = loop.why(alert, again=again)
    if as_json:
        print_json(cause)
        return
    heading(cause.summary)
    say(cause.sentence + ".")
    _show_attribution(cause)
    for one in [*cause.sources, *cause.segments]:
        share = f"{one.part:.0%} of the change, {one.share:.0%} of the rows"
        detail(f"{one.segment}: {share}", "where")
    for change in cause.upstream:
        side = "after" if change.away > 0 else "before"
        by = f" by {change.by}" if change.by else ""
        detail(f"{change.what}{by}, {length(abs(change.away))} {side}", "upstream")
    for past in cause.similar:
        outcome = past.outcome
        led = f"; led to cycle {outcome.number}: {outcome.verdict}" if outcome else ""
        detail(f"{moment(past.window)} {past.summary}{led}", "before")
    for note in cause.notes:
        detail(note, "note")
    detail(
        f"{cause.rows[0]:,} rows before, {cause.rows[1]:,} after; {cause.seconds} s", "looked at"
    )
    next_step("everloop update", f"does what the alerts of {loop.name} call for")


def _show_attribution(cause: Cause) -> None:
    found = cause.attribution
    if found is None or not found.parts:
        return
    table(
        (f"of the loss of {found.metric}", "loss", "share", "95 %"),
        [
            (part.name, part.loss, f"{part.share:.0%}", f"{part.low:.0%} to {part.high:.0%}")
            for part in found.parts
        ],
    )
    detail(
        f"{found.rows:,} labelled rows a side; alike in every feature they are worth "
        f"{found.matched:,.0f} rows",
        "from",
    )


def _row(window: Window) -> tuple[Any, ...]:
    performance = window.performance or {}
    day = datetime.fromtimestamp(window.start / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    broken = ", ".join(list(window.checks.get("faults", {}))[:3])
    state = f"quarantined: {broken}" if window.quarantined else ("worse" if window.worse else "")
    state = state or ("expected worse" if window.expected_worse else "")
    return (
        day.removesuffix(" 00:00"), f"{window.rows:,}", f"{window.labelled:,}",
        _expected(window), _own(window, performance.get("value")),
        _own(window, performance.get("baseline", {}).get("value")),
        ", ".join(window.drifting[:3]), state,
    )  # fmt: skip


def _expected(window: Window) -> str:
    """What was expected before labels came; a question mark stands where that is doubted."""
    found = (window.performance or {}).get("expected") or {}
    return _own(window, window.expected) + ("?" if found.get("warnings") else "")


def _own(window: Window, value: float | None) -> str:
    """Scores are kept so that greater is better; an error shows as itself."""
    return number(None if value is None else abs(value) if _is_error(window) else value)


def _is_error(window: Window) -> bool:
    baseline = (window.performance or {}).get("baseline") or {}
    return float(baseline.get("value", 0.0)) < 0
