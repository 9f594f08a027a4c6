"""The classic small path: a data file with its target in the last column, nothing else known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from everloop.data.frames import counted
from everloop.data.infer import infer_schema
from everloop.data.schema import Schema
from everloop.data.spec import DataSpec
from everloop.data.streams.staying import bounded
from everloop.errors import invalid
from everloop.evaluate.metrics import default_metric, get_metric
from everloop.loop.checking import check_words
from everloop.loop.declaration import Declaration, from_dict
from everloop.loop.dividing import divide
from everloop.loop.project import Project
from everloop.train.bases import parse_base
from everloop.train.validation import FEW_ROWS

RARE = 0.05  # share of the rows below which a class may not fill five parts
MANY_ROWS = 12_500  # of which a fifth is tested, and a fifth of the others are 2,000
DEFAULT_CANDIDATE = {
    "regression": "linear_regression",
    "binary": "logistic_regression",
    "multiclass": "logistic_regression",
}


def declare_classic(
    project: Project,
    data: Path,
    *,
    name: str,
    target: str | None = None,
    rows: int | None = None,
    holdout: float | None = None,
    candidates: tuple[str, ...] = (),
    metric: str | None = None,
    search: dict[str, Any] | None = None,
    validation: str | None = None,
    ensemble: bool = True,
) -> Declaration:
    """Declare and record a loop over one file; what is not given is read off the data.

    ``search`` is a budget as in ``[train.search]``; with one, every usual algorithm is tried unless
    ``candidates`` are named, and with one of time the best is fitted once more on all rows;
    ``validation`` is a kind as in ``[train.validation]``; ``ensemble`` says whether the best trials
    may be mixed. A new version replaces the champion when it is better on the same held-out rows; a
    loop file can ask for more evidence with the gate ``"METRIC beats champion"``.
    """
    try:
        path = str(data.resolve())
    except RuntimeError:  # a link that leads to itself, which reading then refuses
        path = str(data.absolute())
    spec = DataSpec(source=path, target=target or "")
    frame, count = bounded(spec, project.dir, memory=project.settings.memory_bytes)
    target = target or _last_column(frame, data)
    schema = infer_schema(frame, DataSpec(source=path, target=target)).schema
    if metric is not None:
        get_metric(metric)
    evaluate = _evaluation(metric or default_metric(schema.task).name, rows, holdout)
    asked = {key: value for key, value in (search or {}).items() if value is not None}
    usual = () if asked else (DEFAULT_CANDIDATE[schema.task],)
    train: dict[str, Any] = {
        "candidates": list(candidates or usual), "search": asked, "ensemble": ensemble,
    }  # fmt: skip
    if "timeout" in asked:  # whoever counts trials instead gets the same ones again
        train |= _with_time(asked, frame, count, schema)
    if validation is not None:
        train["validation"] = {"kind": validation}
    told = {"source": path, "target": target, "feedback": False}
    declaration = from_dict(
        {"loop": {"name": name}, "data": told, "train": train, "evaluate": evaluate}
    ).declaration
    check_words(declaration, schema.task)
    if count == frame.height:  # a sample of more rows is divided otherwise
        divide(frame, schema, declaration)
    project.cycles.save_loop(declaration, actor="person")
    return declaration


def _evaluation(metric: str, rows: int | None, holdout: float | None) -> dict[str, Any]:
    """The last rows judge, and so many as are asked for train."""
    found = {"metric": metric, "split": "last", "gates": [f"{metric} better than champion"]}
    asked = {"train_rows": rows, "holdout": holdout}
    return found | {key: value for key, value in asked.items() if value is not None}


def _with_time(
    asked: dict[str, Any], frame: pl.DataFrame, rows: int, schema: Schema
) -> dict[str, Any]:
    """What a budget of time goes to: all cores, a choice that is not luck, a fit on all rows."""
    found = {"search": {"workers": 0} | asked, "refit": "all"}
    kind = _turns(frame, rows, schema)
    return found if kind is None else found | {"validation": {"kind": kind}}


def _turns(frame: pl.DataFrame, rows: int, schema: Schema) -> str | None:
    """Five parts that take turns, for as many rows as a fifth of them is too few to search by.

    Of hundreds of trials one is always lucky on a single part. Of fewer rows parts take turns
    anyway, and of more than this it would only cost trials. Rows that are alike are in one part,
    so that few different ones cannot fill five.
    """
    if not FEW_ROWS <= rows <= MANY_ROWS or frame.n_unique() < FEW_ROWS:
        return None
    if schema.task not in ("binary", "multiclass"):
        return "k_fold"
    rarest = counted(frame[schema.target].drop_nulls())["n"][-1]
    return "stratified" if rarest >= RARE * rows else "k_fold"


def parents(project: Project, base: str | None) -> tuple[str, ...]:
    """The algorithm of the version that training starts from, where there is one."""
    if not base:
        return ()
    found = parse_base(base)
    algorithm = project.registry.version(found.model, found.version).algorithm
    return (algorithm,) if algorithm else ()


def _last_column(frame: pl.DataFrame, data: Path) -> str:
    if frame.width < 2:
        raise invalid(str(data.name), f"{frame.width} column", "a target and at least one feature")
    return frame.columns[-1]
