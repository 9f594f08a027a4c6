"""``everloop predict``: the rows of a table through a registered version, in this process."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from everloop.cli._options import project_options
from everloop.cli._output import console, next_step, print_json, say
from everloop.data.sources import read_table
from everloop.errors import invalid
from everloop.loop.batches.frames import predict_frame, write_predictions
from everloop.loop.batches.records import PIECE, Batch, Errors, Finished, Format
from everloop.loop.batches.run import Tell, predicted
from everloop.loop.loop import loop_of
from everloop.loop.project import Project

_DETAIL = {"to", "query", "table", "keep", "probabilities", "format", "rows", "errors"}


@click.command("predict")
@click.argument("what", metavar="DATA|MODEL")
@click.option("--batch", "source", metavar="SOURCE", help="Predict this with MODEL, in parts.")
@click.option("--to", metavar="TARGET", help="Batch: a new folder, or a database's URL.")
@click.option("--query", help="Batch: the SQL that reads SOURCE, a database.")
@click.option("--table", help="Batch: the new table in TARGET, a database.")
@click.option("--keep", default="", metavar="A,B", help="Batch: columns beside the answers.")
@click.option("--probabilities", is_flag=True, help="Batch: those of every class.")
@click.option(
    "--format", type=click.Choice(get_args(Format)), default="parquet", help="Batch: of the parts."
)
@click.option("--rows", type=int, default=PIECE, show_default=True, help="Batch: of a part.")
@click.option(
    "--errors", type=click.Choice(get_args(Errors)), default="fail", show_default=True,
    help="Batch: stop at a row that does not fit, or set it aside with the reason.",
)  # fmt: skip
@click.option("--version", type=int, help="Which version.  [default: the champion]")
@click.option(
    "--model", metavar="NAME/3", help="A registered version instead, also without a loop."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write a .csv or .parquet file.  [default: print]",
)
@project_options
def command(
    what: str, source: str | None, folder: Path, loop_name: str | None, as_json: bool, **given: Any
) -> None:
    """Predict every row of DATA with the champion, checked against the model's schema.

    With --batch a table larger than memory, with the version that MODEL means (NAME, NAME@ALIAS
    or NAME/3), into parts of TARGET. The same command again after a crash goes on where it was;
    no row is answered twice.
    """
    if source is not None:
        _batch(what, source, folder, as_json, {name: given[name] for name in _DETAIL})
    else:
        _frame(Path(what), folder, loop_name, as_json, given)


def _batch(model: str, source: str, folder: Path, as_json: bool, detail: dict[str, Any]) -> None:
    if detail["to"] is None:
        raise invalid("--to", None, "a new folder, or a database's URL with --table")
    keep = tuple(name.strip() for name in detail.pop("keep").split(",") if name.strip())
    batch = Batch(model=model, source=source, keep=keep, **detail).from_folder(Path.cwd())
    with Project.open(folder) as project, rows_progress(quiet=as_json) as tell:
        done = predicted(project, batch, actor="cli", tell=tell)
    if as_json:
        print_json(done)
        return
    _say_done(done)
    subject = f"batch:{done.model}/{done.version}"
    next_step(
        f"everloop events --subject {shlex.quote(subject)}", "shows what was read and written"
    )


@contextmanager
def rows_progress(quiet: bool) -> Iterator[Tell]:
    """How many rows are done, and how many a second; nothing for ``--json``, and in a pipe."""
    shown = Progress(
        BarColumn(),
        TextColumn("{task.completed:,.0f} rows"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
    )
    task = shown.add_task("", total=None, rate="")

    def tell(what: str, done: int, total: int | None) -> None:
        speed = shown.tasks[0].speed
        shown.update(
            task, completed=done, total=total, rate=f"{speed:,.0f} rows/s" if speed else ""
        )

    with shown:
        yield tell


def _say_done(done: Finished) -> None:
    where = f"{done.to}, table {done.table}" if done.table else done.to
    by = f"{done.model} version {done.version}"
    if not done.seconds:
        say(f"{done.written:,} predictions by {by} were in {where} already; nothing was done.")
        return
    rate = f"{done.seconds:.1f} s"
    if not done.resumed:
        rate += f", {done.rows / done.seconds:,.0f} rows/s"
    say(f"{done.written:,} predictions by {by} in {done.pieces} parts of {where} ({rate})")
    if done.resumed:
        say(f"{done.resumed} of the parts were there from an earlier start.")
    if done.rejected:
        beside = f"{done.table}_parts" if done.table else f"{done.to}/_rejects"
        say(f"{done.rejected:,} rows were set aside, with the reasons, in {beside}.")


def _frame(
    data: Path, folder: Path, loop_name: str | None, as_json: bool, given: dict[str, Any]
) -> None:
    if given["to"] is not None:
        raise invalid("--to", given["to"], "--batch SOURCE beside it", fix="Or --out FILE.")
    model, out = given["model"], given["out"]
    with Project.open(folder) as project:
        if model is not None:
            chosen = project.registry.resolve(model)
        else:
            chosen = loop_of(project, loop_name).version(given["version"])
        predictions = predict_frame(project, read_table(str(data.resolve()), project.dir), chosen)
    if out is not None:
        write_predictions(predictions, out)
    if as_json:
        columns = predictions.to_dict(as_series=False)
        print_json(
            {"version": chosen.version, **({} if out else columns), "rows": predictions.height}
        )
    elif out is None:
        click.echo(predictions.write_csv(), nl=False)
    else:
        say(f"{predictions.height:,} predictions by version {chosen.version} in {out}")
        next_step("everloop serve", "answers the same over HTTP")
