"""``everloop backtest``: a historical stream through the loop, under several policies."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from everloop.cli._options import project_options
from everloop.cli._output import (
    console,
    detail,
    heading,
    interval,
    next_step,
    number,
    print_json,
    say,
    table,
)
from everloop.errors import invalid
from everloop.loop.apart import Tell
from everloop.loop.backtests.places import PAGE, backtests, folder_of, new_id
from everloop.loop.backtests.policies import parse_policy, read_policies
from everloop.loop.backtests.records import Backtested, Outcome, Plan
from everloop.loop.backtests.report import day, extent, section, sparks
from everloop.loop.project import Project


@click.command("backtest")
@click.argument("data", required=False)
@click.option(
    "--policies", "file", type=click.Path(path_type=Path, dir_okay=False),
    help="TOML: a table of [update] keys for each policy.",
)  # fmt: skip
@click.option(
    "--policy", "texts", multiple=True, metavar="NAME[={…}]",
    help="A usual one by name, or 'quarterly = {when = [\"every 90d\"]}'; repeatable.",
)  # fmt: skip
@click.option("--windows", type=int, default=30, show_default=True, help="Windows to replay.")
@click.option(
    "--train", type=float, default=0.3, show_default=True,
    help="Share of the time that trains the first champion.",
)  # fmt: skip
@click.option("--delay", default="", help="How late labels come.  [default: the loop file's]")
@click.option(
    "--labels", type=float, default=1.0, show_default=True, help="Share of the labels that come."
)
@click.option("--approve-after", default="", help="How long people take to say yes.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of which labels come.")
@click.option("--resume", metavar="ID", help="Go on with one that was cut off, or show it again.")
@click.option("--list", "listing", is_flag=True, help="Show the backtests of the project.")
@project_options
def command(
    data: str | None, file: Path | None, texts: tuple[str, ...], resume: str | None,
    listing: bool, folder: Path, loop_name: str | None, as_json: bool, **how: Any,
) -> None:  # fmt: skip
    """Replay DATA, a table with time and labels, through the loop under several policies.

    The first part trains a champion. Then it answers window by window, labels come late, and the
    loop looks, decides and goes round as it would have then: scores, updates, compute and regret
    of each policy say which to choose. DATA is the loop's own source unless given; the usual
    policies are never, always, monthly, own, auto and pool.
    """
    with Project.open(folder) as project:
        if listing:
            _list(project, as_json)
            return
        # The engine, and what trains, are for those who play one.
        run = importlib.import_module("everloop.loop.backtests.run")
        with _progress(quiet=as_json) as tell:
            id = resume
            if id is None:
                here = "" if data is None else data if "://" in data else str(Path(data).resolve())
                plan = Plan(data=here, policies=_policies(file, texts), loop=loop_name, **how)
                id = new_id()
                run.begin(project, plan, folder_of(project, id))
                if not as_json:
                    say(f"backtest {id}; if it is cut off, everloop backtest --resume {id} goes on")
            elif data is not None or file is not None or texts:
                raise invalid("--resume", id, "nothing else beside it: its plan is kept")
            found: Backtested = run.resumed(project, id, tell)
        if as_json:
            print_json(found)
            return
        _show(found, folder_of(project, id) / PAGE)


def _policies(file: Path | None, texts: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    found = read_policies(file) if file is not None else {}
    for text in texts:
        found |= parse_policy(text)
    return found


@contextmanager
def _progress(quiet: bool) -> Iterator[Tell]:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    off = quiet or not console.is_terminal
    with Progress(*columns, console=console, disable=off, transient=True) as bar:
        task = bar.add_task("first champion", total=None)
        yield lambda what, done, total: bar.update(
            task, description=what, completed=done, total=total
        )


def _list(project: Project, as_json: bool) -> None:
    found = backtests(project)
    if as_json:
        print_json(found)
        return
    rows = [
        (one.id, one.loop, day(one.created), one.state, f"{one.done} of {one.total}",
         ", ".join(one.policies))
        for one in found
    ]  # fmt: skip
    table(("id", "loop", "begun", "state", "windows", "policies"), rows)
    if found:
        next_step(f"everloop backtest --resume {found[0].id}", "shows it, or goes on with it")
    else:
        next_step("everloop backtest", "replays the loop's own data")


def _show(found: Backtested, page: Path) -> None:
    spans = found.windows
    heading(f"{found.loop}: {len(spans)} windows, {day(spans[0].start)} to {day(spans[-1].end)}")
    columns = (
        "policy", found.metric, "interval", "behind", "regret", "updates", "full fits", "compute",
        "cycles",
    )  # fmt: skip
    table(columns, [_row(one) for one in found.policies])
    low, high = extent(found)
    width = max(len(one.name) for one in found.policies)
    say(f"\n{found.metric} by window, from {low:.4f} to {high:.4f}")
    for one in found.policies:
        console.print(f"  {one.name:<{width}} {sparks(one.scores, low, high)}", markup=False)
    for note in found.notes:
        detail(note)
    say(
        f"\n{found.best} scores best. {found.choice} has the fewest fits of those surely "
        "within 0.5 % of it:"
    )
    for line in section(found.named(found.choice)).splitlines():
        console.print(f"  {line}", markup=False, soft_wrap=True)
    say(f"report: {page}")
    next_step("everloop check", "once that stands in everloop.toml")


def _row(one: Outcome) -> tuple[Any, ...]:
    cycles = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in one.verdicts.items())
    return (
        one.name, number(one.score), interval(one.low, one.high), number(one.behind),
        number(one.regret), one.updates, one.fits, f"{one.seconds:.1f} s", cycles or "–",
    )  # fmt: skip
