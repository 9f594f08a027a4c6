"""``everloop schema``: what the model's input looks like, and pinning it to a file."""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._output import next_step, print_json, say, table
from everloop.loop.checking import schema_of_data, write_schema


@click.command("schema")
@folder_option
@click.option("--out", type=click.Path(path_type=Path), help="Write it to this file, to be pinned.")
@json_option
def command(folder: Path, out: Path | None, as_json: bool) -> None:
    """Show the schema of the loop's data, inferred or pinned; --out writes it down.

    With schema = "FILE" in [data] the file decides from then on, at training and at serving.
    """
    schema = schema_of_data(folder)
    if out is not None:
        write_schema(schema, out)
    if as_json:
        print_json(schema)
        return
    rows = [(f.name, f.kind, f.vocabulary or None, f.nullable) for f in schema.features]
    table(("feature", "kind", "levels", "may be missing"), rows, title=f"target {schema.target}")
    if out is not None:
        say(f"{out.name} is written.")
        next_step(f'schema = "{out.name}"', "in [data] pins it")
