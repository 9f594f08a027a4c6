"""``everloop feedback``: labels from files, SQL or a folder that fills, joined by id."""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli import _options as options
from everloop.cli._output import detail, next_step, print_json, say
from everloop.cli._target import connected, settings_of
from everloop.cli.predict import rows_progress
from everloop.errors import invalid
from everloop.loop.feeding import Feeder, is_address
from everloop.loop.project import Project
from everloop.monitor.feedback import Fed


@click.command("feedback")
@click.argument("source")
@click.option("--endpoint", help="Where the rows were predicted.  [default: the only one]")
@click.option("--id", "id_column", metavar="COL", help="Column of ids.  [default: the loop's id]")
@click.option("--label", metavar="COL", help="Column of labels.  [default: label, or the target]")
@click.option("--time", "time_column", metavar="COL", help="When labels came.  [default: now]")
@click.option("--query", help="The SQL that reads SOURCE, a database.")
@click.option("--watch", is_flag=True, help="Go on with each file that comes to SOURCE, a folder.")
@click.option(
    "--every", type=click.FloatRange(0.1), default=2.0, show_default=True,
    help="Watch: seconds between two looks.",
)  # fmt: skip
@options.folder
@options.as_json
def command(
    source: str,
    endpoint: str | None,
    id_column: str | None,
    label: str | None,
    time_column: str | None,
    query: str | None,
    watch: bool,
    every: float,
    folder: Path,
    as_json: bool,
) -> None:
    """Bring the labels in SOURCE to the rows that were predicted.

    SOURCE is a file, a pattern or a folder of CSV, Parquet, Arrow or JSON lines, the same in an
    object store, or a database's URL with --query. Labels may come in any order; one that comes
    twice counts once, and of several the newest counts. With --watch every file that comes to the
    folder is taken, until Ctrl-C.
    """
    columns = {"id": id_column, "label": label, "time": time_column}
    here = source if is_address(source) else str(Path.cwd() / Path(source).expanduser())
    settings = settings_of(folder)
    if settings.server:
        if watch or query is not None or is_address(source):
            raise invalid("source", source, "a file of this machine, since a server takes it")
        with connected(settings) as server:
            _say(server.feedback(Path(here), endpoint, columns), as_json)
        return
    with Project.open(folder) as project:
        project.sync_file()
        feeder = Feeder(project, endpoint, **columns)
        if watch:
            for name, fed in feeder.watch(here, every):
                if as_json:
                    print_json({"file": name, "fed": fed})
                else:
                    say(f"{name}: {_counted(fed)}")
            return
        with rows_progress(quiet=as_json) as tell:
            fed = feeder.table(here, query, tell)
        _say(fed, as_json)


def _say(fed: Fed, as_json: bool) -> None:
    if as_json:
        print_json(fed)
        return
    say(_counted(fed))
    for sentence in fed.sentences():
        detail(sentence)
    next_step("everloop monitor", "scores the windows whose labels have come")


def _counted(fed: Fed) -> str:
    return f"{fed.rows:,} rows: {fed.new:,} new labels, {fed.corrected:,} corrections"
