"""``everloop history``: the cycles, newest first; or one along its time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from everloop.cli._cycles import describe, show_cycle
from everloop.cli._options import limit as limit_option
from everloop.cli._options import project_options
from everloop.cli._output import detail, heading, next_step, print_json, say
from everloop.cli._target import AnyLoop, opened
from everloop.console.words import cause_brief, plain, reason_words
from everloop.console.words import span as span_words
from everloop.errors import invalid
from everloop.loop.cycles import Cycle, numbered
from everloop.loop.realised import read_realised
from everloop.loop.timeline import Span, timeline
from everloop.store.clock import now_ms

WIDTH = 40  # columns of a cycle's time


@click.command("history")
@click.argument("cycle", required=False, type=int)
@limit_option(20, "cycles")
@click.option("--before", type=int, help="Only cycles with a smaller number.")
@click.option("--logs", is_flag=True, help="Show what each step of CYCLE said.")
@project_options
def command(
    cycle: int | None,
    limit: int,
    before: int | None,
    logs: bool,
    folder: Path,
    loop_name: str | None,
    as_json: bool,
) -> None:
    """Show the loop's cycles with their causes and verdicts, or one CYCLE along its time."""
    with opened(folder, loop_name) as (loop, _):
        if cycle is not None:
            _one(loop, cycle, as_json, logs)
            return
        if logs:
            raise invalid("logs", True, "the number of a cycle beside it")
        cycles = loop.history(before, limit)
        if as_json:
            print_json(cycles)
            return
        width = max((len(_verdict(c)) for c in cycles), default=0)
        for c in cycles:
            version = "" if c.version is None else f"version {c.version}, "
            say(
                f"{c.number:>4}  {_when(c.started)}  {_verdict(c):<{width}}  "
                f"{version}{cause_brief(c.cause)}"
            )
            if c.reason:
                detail(reason_words(c.reason, c.verdict, c.cause), indent=6)
            realised = read_realised(c)
            if realised is not None and realised.gain is not None:
                detail(realised.sentence(), indent=6)
        if not cycles and before is None:
            next_step("everloop run", "goes round once")
        elif len(cycles) == limit and cycles[-1].number > 1:
            next_step(f"everloop history --before {cycles[-1].number}", "shows older ones")
        elif not cycles:
            next_step("everloop history", "shows the newest ones")
        else:
            next_step(f"everloop history {cycles[0].number}", "shows the steps of one cycle")


def _one(loop: AnyLoop, number: int, as_json: bool, logs: bool) -> None:
    found = numbered(loop.history(before=number + 1, limit=1), number, loop.name)
    steps = loop.steps(found.id)
    spans = timeline(found, steps, now_ms())
    said = loop.logs(found.id) if logs or as_json else {}
    if as_json:
        print_json({"cycle": found, "steps": steps, "timeline": spans, "logs": said})
        return
    heading(f"cycle {number} of {loop.name}, cause: {cause_brief(found.cause)}")
    _draw(spans, {step.step: step.result or {} for step in steps})
    for step, text in said.items():
        heading(f"what {step} said")
        for line in text.splitlines():
            detail(line)
    show_cycle(loop, found, as_json)
    realised = read_realised(found)
    if realised is not None:
        say(realised.sentence())
    if found.finished is not None and "decision" in found.cause:
        next_step(f"everloop replay {number}", "makes its decisions again")
    elif found.finished is not None:
        next_step("everloop history", "shows the others")


def _draw(spans: list[Span], results: dict[str, dict[str, Any]]) -> None:
    """Each step as a bar along the cycle's time, and below it what it did."""
    begun = [span for span in spans if span.seconds is not None]
    for one in begun:
        start = round(one.after * WIDTH)
        bar = " " * min(start, WIDTH - 1) + "█" * max(1, round(one.share * WIDTH))
        notes = [span_words(one.seconds)]
        notes += [f"waited {span_words(one.waited)}"] if one.waited >= 1 else []
        notes += [f"{one.attempts} attempts"] if one.attempts > 1 else []
        notes += [one.state] if one.state != "done" else []
        detail(f"{bar[:WIDTH]:<{WIDTH}}  {', '.join(notes)}", one.step)
        for line in describe(one.step, results.get(one.step, {})) or [one.error or ""]:
            if line:
                detail(line, indent=12)
    rest = [span.step for span in spans if span.state == "not_reached"]
    if rest:
        detail(f"not reached: {', '.join(rest)}")


def _verdict(cycle: Cycle) -> str:
    return plain(cycle.verdict or cycle.state)


def _when(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M")
