"""``everloop predict``: the rows of a file through a registered version, in this process."""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli._options import project_options
from everloop.cli._output import next_step, print_json, say
from everloop.data.sources import read_table
from everloop.loop.batch import predict_frame, write_predictions
from everloop.loop.loop import loop_of
from everloop.loop.project import Project


@click.command("predict")
@click.argument("data", type=click.Path(path_type=Path))
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
    data: Path,
    version: int | None,
    model: str | None,
    out: Path | None,
    folder: Path,
    loop_name: str | None,
    as_json: bool,
) -> None:
    """Predict every row of DATA with the champion, checked against the model's schema."""
    with Project.open(folder) as project:
        if model is not None:
            chosen = project.registry.resolve(model)
        else:
            chosen = loop_of(project, loop_name).version(version)
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
