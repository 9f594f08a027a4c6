"""``everloop update``: new data in, a better model out, or a reason why not."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from everloop.cli._cycles import CycleView, exit_code, show_cycle
from everloop.cli._options import project_options
from everloop.cli._output import heading, next_step
from everloop.cli._target import AnyLoop, opened
from everloop.cli.monitor import show_looked
from everloop.errors import invalid
from everloop.loop.by_hand import Wanted
from everloop.loop.cycles import Cycle
from everloop.loop.watching import Looked


@click.command("update")
@click.argument("data", required=False, type=click.Path(path_type=Path))
@click.option(
    "--method", help="How the model is made: retrain, calibrate, threshold, switch, auto …"
)
@click.option("--window", help='Rows that a new fit learns from, as "newest 90d" or "change".')
@click.option("--search", help="Of parameters: keep, warm or full.")
@project_options
def command(
    data: Path | None,
    method: str | None,
    window: str | None,
    search: str | None,
    folder: Path,
    loop_name: str | None,
    as_json: bool,
) -> None:
    """Train with the new rows of DATA; the new version takes over if it is better.

    Both models are compared on rows that neither has seen. Without DATA the monitors are read and
    the update policy of the loop file decides; with --method, --window or --search a model is made
    so, and the gates decide.
    """
    how = Wanted(method, window, search)
    if data is not None and how:
        raise invalid("update", "DATA and --method, --window or --search", "one of them")
    with opened(folder, loop_name) as (loop, _):
        done = _update(loop, data, how, as_json)
        if isinstance(done, Looked):
            show_looked(loop, done, as_json)
            sys.exit(0 if done.cycle is None else exit_code(done.cycle))
        show_cycle(loop, done, as_json)
        if not as_json and done.verdict is not None:
            next_step(f"everloop history {done.number}", "shows how it came to that")
    sys.exit(exit_code(done))


def _update(loop: AnyLoop, data: Path | None, how: Wanted, as_json: bool) -> Cycle | Looked:
    if not as_json:
        by = f" with {data}" if data else ""
        by += f" by {how}" if how else ""
        heading(f"{loop.name}: update{by}")
    with CycleView(quiet=as_json) as view:
        return loop.update(
            None if data is None else str(data),
            method=how.method,
            window=how.window,
            search=how.search,
            on_progress=view,
        )
