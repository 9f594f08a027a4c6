"""``everloop artifacts``: files of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from everloop.cli._api import api, items
from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._options import limit as limit_option
from everloop.cli._output import next_step, print_json, say, table


@click.group("artifacts")
def command() -> None:
    """List, fetch, store and delete files of runs."""


@command.command("list")
@click.argument("run")
@click.argument("path", default="")
@click.option("--after", help="Where the page before ended.")
@limit_option(100)
@folder_option
@json_option
def list_files(
    run: str, path: str, after: str | None, limit: int, folder: Path, as_json: bool
) -> None:
    """List what lies in a RUN's folder PATH."""
    with api(folder) as server:
        found, more = items(server, _path(run), folder=path, after=after, limit=limit)
    if as_json:
        print_json({"items": found, "next": more})
        return
    rows = [(e["path"] + ("/" if e["is_dir"] else ""), e["size"] or "") for e in found]
    table(("file", "bytes"), rows)
    if more:
        next_step(f"everloop artifacts list {run} {path} --after {more}", "shows more")


@command.command("get")
@click.argument("run")
@click.argument("path")
@click.option("--to", type=click.Path(path_type=Path), help="Its own name here, when not given.")
@folder_option
@json_option
def get(run: str, path: str, to: Path | None, folder: Path, as_json: bool) -> None:
    """Fetch the file PATH of a RUN."""
    place = to or Path(path.rpartition("/")[2])
    with api(folder) as server:
        size = server.fetch(_path(run, path), place)
    if as_json:
        print_json({"path": path, "to": str(place), "bytes": size})
    else:
        say(f"{place}, {size:,} bytes.")


@command.command("put")
@click.argument("run")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("path", required=False)
@folder_option
@json_option
def put(run: str, file: Path, path: str | None, folder: Path, as_json: bool) -> None:
    """Store a FILE as the file PATH (its own name) of a RUN."""
    where = path or file.name
    with api(folder) as server, file.open("rb") as content:
        found = server.call("PUT", _path(run, where), dict[str, Any], content=content)
    if as_json:
        print_json(found)
    else:
        say(f"{found['path']}, {found['size']:,} bytes, sha256 {found['digest']}.")


@command.command("delete")
@click.argument("run")
@click.argument("path")
@folder_option
@json_option
def delete(run: str, path: str, folder: Path, as_json: bool) -> None:
    """Delete the file or folder PATH of a RUN."""
    with api(folder) as server:
        found = server.call("DELETE", _path(run, path), dict[str, Any])
    if as_json:
        print_json(found)
    else:
        say(f"{found['deleted']} files are gone.")


def _path(run: str, path: str | None = None) -> str:
    start = f"/runs/{quote(run, safe='')}/artifacts"
    return start if path is None else f"{start}/{quote(path)}"
