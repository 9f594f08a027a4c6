"""``everloop register``: a model that was made elsewhere becomes a version."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click
import msgspec

from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._output import next_step, print_json, say
from everloop.cli._target import connected, settings_of
from everloop.loop.foreign import How
from everloop.loop.project import Project
from everloop.registry.models import ModelVersion


@click.command("register")
@click.argument("source")
@click.option("--name", required=True, help="Of the registered model.")
@click.option("--schema", help="A file of `everloop schema --out`; else from the model.")
@click.option("--features", help="Names of the columns in the model's order, as a,b,c.")
@click.option("--target", help="What the answer is called.  [default: prediction]")
@click.option("--task", help="regression, ranking, binary or multiclass; else from the model.")
@click.option("--classes", help="In the order of the probabilities, as no,yes.")
@click.option("--output", help="Which of the model's outputs answers.")
@click.option("--logits/--probabilities", default=None, help="What that output is.")
@click.option("--data", help="Rows as in training, for explanations and monitoring.")
@click.option("--allow", multiple=True, metavar="TYPE", help="A type that a skops file may name.")
@click.option("--trust", metavar="KEYNAME", help="Whose signature lets a pickle run, fenced off.")
@click.option("--memory-mb", type=int, help="Of the process of one's own code.  [default: 2048]")
@click.option("--seconds", type=float, help="Of a call of one's own code.  [default: 10]")
@click.option(
    "--from",
    "server",
    envvar="MLFLOW_TRACKING_URI",
    metavar="URL",
    help="The MLflow server of models:/ and runs:/.  [default: this project]",
)
@folder_option
@json_option
def command(source: str, name: str, folder: Path, as_json: bool, **told: Any) -> None:
    """Register SOURCE, a model that was made elsewhere.

    SOURCE is a file .onnx, .lgb or .txt (LightGBM), .skops or .safetensors, an MLflow folder,
    models:/NAME/3, models:/NAME@ALIAS or runs:/ID/PATH; or code: model.py with predict(rows),
    or a folder with one; or a graph of registered models, as .toml.
    """
    told["features"] = tuple(part.strip() for part in (told["features"] or "").split(",") if part)
    told["classes"] = tuple(_label(part) for part in (told["classes"] or "").split(",") if part)
    given = {key: value for key, value in told.items() if value not in (None, ())}
    if not source.startswith(("models:/", "runs:/")):
        given.pop("server", None)
    version = _register(folder, source, name, given)
    if as_json:
        print_json(version)
        return
    say(f"{version.model} version {version.version} ({version.algorithm}) is registered.")
    next_step(f"everloop deploy {version.model}/{version.version}", "serves it")


def _register(folder: Path, source: str, name: str, given: dict[str, Any]) -> ModelVersion:
    settings = settings_of(folder)
    if settings.server:
        body = {"source": source, **given}
        with connected(settings) as server:
            path = f"/models/{name}/register"
            return server.call("POST", path, ModelVersion, json=body)
    # The converters, two seconds of imports, are for who has the project here.
    registering = importlib.import_module("everloop.loop.registering")
    with Project.open(folder) as project:
        how = msgspec.convert(given, How)
        version: ModelVersion = registering.registered(project, source, name, how, actor="cli")
        return version


def _label(text: str) -> str | int:
    """A class; whole numbers are numbers."""
    text = text.strip()
    return int(text) if text.lstrip("-").isdecimal() else text
