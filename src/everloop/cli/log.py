"""``everloop log``: predictions that something else made, into the prediction log."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from everloop.cli import _options as options
from everloop.cli._output import detail, next_step, print_json, say
from everloop.cli._target import connected, settings_of
from everloop.cli.predict import rows_progress
from everloop.errors import invalid
from everloop.loop.feeding import is_address
from everloop.loop.logging import log_predictions
from everloop.loop.remote import Server
from everloop.loop.remote_alerts import send_predictions
from everloop.monitor.foreign import Layout, Logged


@click.command("log")
@click.argument("source")
@click.option("--endpoint", help="Whose log.  [default: the only one]")
@click.option(
    "--layout", type=click.Choice(get_args(Layout)), default="table", show_default=True,
    help="mlflow: an inference table, of JSON.",
)  # fmt: skip
@click.option("--query", help="The SQL that reads SOURCE, a database.")
@click.option("--id", metavar="COL", help="Column of ids.  [default: the loop's id]")
@click.option("--time", metavar="COL", help="Column of times.  [default: the loop's]")
@click.option("--prediction", metavar="COL", help="Of the answers.  [default: prediction]")
@click.option("--probability", metavar="COL", help="Of the last class, or a list.")
@click.option("--version", metavar="COL", help="Of the version.  [default: the champion]")
@click.option("--feature", "renamed", metavar="NAME=COL", multiple=True, help="Another name.")
@click.option("--sender", "senders", metavar="COL", multiple=True, help="Who sent it: client.")
@options.folder
@options.as_json
def command(
    source: str, folder: Path, as_json: bool, renamed: tuple[str, ...], **given: Any
) -> None:
    """Monitor predictions that everloop did not serve: bring SOURCE into the log.

    SOURCE is a file, a pattern or a folder of CSV, Parquet, Arrow or JSON lines, the same in an
    object store, or a database's URL with --query. What comes again brings nothing.
    """
    columns = {name: value for name, value in given.items() if value is not None}
    columns["features"] = dict(pair.partition("=")[::2] for pair in renamed)
    settings = settings_of(folder)
    if settings.server:
        with connected(settings) as server:
            done = _sent(server, source, columns)
    else:
        with rows_progress(quiet=as_json) as tell:
            done = log_predictions(source, dir=folder, tell=tell, **columns)
    if as_json:
        print_json(done)
        return
    say(f"{done.rows:,} rows: {done.new:,} predictions are in the log")
    for count, text in (
        (done.repeated, "had come before"),
        (done.future, "are from the future and were left out: look at the sender's clock"),
        (done.empty, "have no id, time or prediction and were left out"),
    ):
        if count:
            detail(f"{count:,} {text}")
    next_step("everloop monitor", "looks at the windows that are over")


def _sent(server: Server, source: str, columns: dict[str, Any]) -> Logged:
    """The rows of a file of this machine, to a server."""
    if "query" in columns or is_address(source):
        raise invalid("source", source, "a file of this machine, since a server takes it")
    endpoint = columns.pop("endpoint", None) or server.loop().endpoint
    return send_predictions(server, Path.cwd() / Path(source).expanduser(), endpoint, columns)
