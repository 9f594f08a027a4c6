"""``everloop decision``: everything that a person needs for a yes or a no."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from everloop.cli._cycles import show_gates
from everloop.cli._deciding import cycle_argument, the_cycle, who
from everloop.cli._options import project_options
from everloop.cli._output import (
    detail,
    heading,
    interval,
    next_step,
    number,
    print_json,
    say,
    table,
    verdict,
)
from everloop.cli._target import opened
from everloop.console.words import cause_words, span
from everloop.errors import NotFound
from everloop.loop.approving import Decision
from everloop.loop.case import Case, CaseData

SAID = {"approve": "yes", "reject": "no", "comment": "remark"}


@click.command("decision")
@cycle_argument
@click.option("--rollback", is_flag=True, help="End its trial, or deploy the version before.")
@click.option("--comment", default="", help="Why it is rolled back.")
@click.option(
    "--record", type=click.Path(path_type=Path), help="Write the signed record to this file."
)
@project_options
def command(
    cycle: int | None,
    rollback: bool,
    comment: str,
    record: Path | None,
    folder: Path,
    loop_name: str | None,
    as_json: bool,
) -> None:
    """Show what a decision on CYCLE, or on the one that waits, rests on, and who said what."""
    with opened(folder, loop_name) as (loop, project):
        found = the_cycle(loop, cycle)
        if rollback:
            back = loop.roll_back(found.id, by=who(project), comment=comment)
            if as_json:
                print_json(back)
            else:
                say(f"cycle {found.number} is taken back by cycle {back.number}.")
                next_step("everloop status", "shows what answers now")
            return
        case = loop.decision(found.id)
    if record is not None:
        _write(case, record)
    if as_json:
        print_json(case)
    else:
        _show(case)


def _write(case: Case, path: Path) -> None:
    signed = None if case.decision is None else case.decision.record
    if signed is None:
        raise NotFound(f"cycle {case.cycle.number}: nothing is decided yet.", path="record")
    path.write_bytes(msgspec.json.encode(signed))


def _show(case: Case) -> None:
    cycle = case.cycle
    heading(f"cycle {cycle.number} of {cycle.loop} {case.waits or cycle.verdict or cycle.state}")
    if cycle.verdict:
        verdict(cycle.verdict, cycle.reason or "")
    detail(cause_words(cycle.cause), "cause")
    for alert in case.alerts:
        detail(f"{alert['kind']}: {alert['summary']}", "seen")
    made = "not registered" if case.version is None else f"version {case.version}"
    detail(f"{case.algorithm or 'a registered version'}, {made}", "model")
    if case.comparison is not None:
        gap = case.comparison
        within = interval(gap["low"], gap["high"])
        better = f"{gap['difference']:+.4f} {within} in {case.metric}"
        detail(f"{better} against version {case.champion}, which serves", "gain")
    if case.gates:
        shown: dict[str, Any] = {"gates": case.gates, "metrics": case.metrics}
        if case.champion_metrics:
            shown |= {"champion_metrics": case.champion_metrics, "champion": case.champion}
        show_gates(shown)
    if case.slices is not None:
        rows = [(s.name, s.rows, s.value, interval(s.low, s.high)) for s in case.slices.worst[:5]]
        table(("worst slices", "rows", case.slices.metric, "95 % interval"), rows)
    for fair in case.fairness:
        by = " and ".join(fair.columns)
        for two in fair.gaps:
            apart = f"{two.metric} {number(two.value)} {interval(two.low, two.high)} apart"
            detail(f"{by}: {apart}, {two.highest} and {two.lowest}", "fairness")
        if fair.overall is not None:
            continue
        within = interval(fair.ratio_low, fair.ratio_high)
        ratio = f"selection ratio {number(fair.demographic_parity_ratio)} {within}"
        detail(f"{by}: {ratio}", "fairness")
    _show_data(case.data)
    money = "" if case.cost.money is None else f", {case.cost.money:,.2f} of money"
    detail(f"{span(case.cost.seconds)} of compute{money}", "cost")
    for line in case.plan:
        detail(line, "then")
    if case.decision is not None:
        _show_words(case.decision)
    _next(case)


def _show_data(data: CaseData) -> None:
    if data.rows is not None:
        parts = f"{data.train_rows:,} train, {data.test_rows:,} test"
        detail(f"{data.rows:,} rows: {parts} ({data.split})", "data")
    if data.quarantined:
        detail(f"{data.quarantined} windows in quarantine trained nothing", "data")
    for line in [*data.leaks, *data.changed]:
        detail(line, "data")


def _show_words(decision: Decision) -> None:
    rows = [
        (
            datetime.fromtimestamp(word.at / 1000, UTC).strftime("%Y-%m-%d %H:%M"),
            word.person,
            ", ".join(word.roles),
            SAID[word.kind],
            word.comment,
        )
        for word in decision.words
    ]
    if rows:
        table(("when (UTC)", "who", "roles", "word", "comment"), rows)
    if decision.record is not None:
        state = "signed, and as it was signed" if decision.record.valid else decision.record.why
        detail(state, "record")


def _next(case: Case) -> None:
    if case.waits:
        next_step(f"everloop approve {case.cycle.number}", "or reject, with --reason")
    elif case.back is not None:
        next_step(f"everloop decision {case.cycle.number} --rollback", "takes it back")
    else:
        next_step(f"everloop history {case.cycle.number}", "shows its steps")
