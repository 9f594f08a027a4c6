"""``everloop train``: from a data file to a registered version."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from everloop.cli._cycles import CycleView, exit_code, show_cycle
from everloop.cli._options import project_options
from everloop.cli._output import heading, next_step
from everloop.loop.classic import declare_classic, parents
from everloop.loop.loop import Loop, loop_of
from everloop.loop.project import Project


@click.command("train")
@click.argument("data", required=False, type=click.Path(path_type=Path))
@click.option("--target", help="The column to predict.  [default: the last one]")
@click.option("--rows", type=int, help="Train on the first so many rows and test on the rest.")
@click.option(
    "--holdout", type=float, help="Share of the rows, the last ones, that test.  [default: 0.2]"
)
@click.option(
    "--candidate",
    "candidates",
    multiple=True,
    help="An algorithm to try; may be repeated.  [default: linear or logistic regression]",
)
@click.option("--metric", help="What decides.  [default: the task's]")
@click.option("--budget", help="Search for so long, as 2m, over every usual algorithm.")
@click.option("--trials", type=int, help="Search so many settings of the candidates.")
@click.option("--validation", help="Which training rows choose, as k_fold or nested.")
@click.option(
    "--ensemble/--no-ensemble",
    default=True,
    help="Whether a search may answer with the mean of its best models.  [default: ensemble]",
)
@click.option("--from", "base", metavar="MODEL/VERSION", help="A version to start from.")
@click.option("--name", help="Name of the model.  [default: the file's]")
@project_options
def command(
    data: Path | None,
    target: str | None,
    rows: int | None,
    holdout: float | None,
    candidates: tuple[str, ...],
    metric: str | None,
    budget: str | None,
    trials: int | None,
    validation: str | None,
    ensemble: bool,
    base: str | None,
    name: str | None,
    folder: Path,
    loop_name: str | None,
    as_json: bool,
) -> None:
    """Train on DATA (or on the loop file's data), print the score, register a version.

    DATA needs nothing but a header: the last column is the target unless you say otherwise.
    """
    with Project.open(folder) as project:
        if data is None:
            loop = loop_of(project, loop_name)
        else:
            declaration = declare_classic(
                project,
                data,
                name=name or re.sub(r"\W+", "_", data.stem).strip("_") or "model",
                target=target,
                rows=rows,
                holdout=holdout,
                candidates=candidates or parents(project, base),
                metric=metric,
                search={"timeout": budget, "trials": trials},
                validation=validation,
                ensemble=ensemble,
            )
            loop = Loop(project, declaration)
        if not as_json:
            heading(f"{loop.name}: predict {loop.declaration.data.target}")
        with CycleView(quiet=as_json) as view:
            cycle = loop.train(base=base, on_progress=view)
        show_cycle(loop, cycle, as_json)
        if not as_json and cycle.verdict in ("promoted", "registered"):
            next_step("everloop serve", "answers POST /predict on http://127.0.0.1:5051")
        elif not as_json and cycle.verdict is not None:
            next_step(f"everloop history {cycle.number}", "shows each step of it")
    sys.exit(exit_code(cycle))
