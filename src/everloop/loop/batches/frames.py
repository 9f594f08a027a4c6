"""Predictions for a table in memory, without a server."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from everloop.data.conform import conform
from everloop.data.multilabel import texts
from everloop.data.quantiles import values_and_levels
from everloop.errors import invalid
from everloop.loop.answers import PackagedModel
from everloop.loop.project import Project
from everloop.registry.models import ModelVersion
from everloop.replacing import replacing


def predict_frame(project: Project, frame: pl.DataFrame, version: ModelVersion) -> pl.DataFrame:
    """``y_pred`` (and ``probability`` of it, for classes) for each row of ``frame``, in its order.

    Of several labels a row ``y_pred`` is a text such as ``a;b`` and each label has its probability.
    The id column comes first when the model has one and the frame holds it. Raises
    :class:`~everloop.errors.InvalidInput` when the columns do not fit the model's schema.
    """
    model = PackagedModel(*project.package(version))
    schema = model.package.schema
    ids = [schema.id] if schema.id is not None and schema.id in frame.columns else []
    answers = answer_columns(model, conform(frame, schema))
    return with_answers(list(frame.select(ids)), answers)


def with_answers(beside: list[pl.Series], answers: list[pl.Series]) -> pl.DataFrame:
    """Columns of the rows and the answers to these in one table.

    Raises :class:`~everloop.errors.InvalidInput` for a column that is called like an answer.
    """
    taken = {answer.name for answer in answers}
    for column in beside:
        if column.name in taken:
            raise invalid("keep", column.name, "a column whose name is not that of an answer")
    return pl.DataFrame([*beside, *answers])


def answer_columns(
    model: PackagedModel, conformed: pl.DataFrame, every_class: bool = False
) -> list[pl.Series]:
    """What the model answers to rows that conform to its schema, as columns.

    ``every_class`` adds ``probability of C`` for each class C.
    """
    schema = model.package.schema
    answers = model.answers(conformed)
    columns: dict[str, object] = {}
    if schema.numeric:
        columns["y_pred"] = answers.pred
        if answers.proba is not None:
            quantiles, _ = values_and_levels(answers.proba)
            for q, values in zip(schema.quantiles, quantiles.T, strict=True):
                columns[f"q{q:g}"] = values
        return pl.DataFrame(columns).get_columns()
    if schema.task == "multilabel":
        columns["y_pred"] = texts(answers.pred, schema.classes)
        every_class = True
    else:
        columns["y_pred"] = pl.Series(schema.classes).gather(answers.pred)
        if answers.proba is not None:
            columns["probability"] = answers.proba[np.arange(conformed.height), answers.pred]
    if every_class and answers.proba is not None:
        for label, values in zip(schema.classes, answers.proba.T, strict=True):
            columns[f"probability of {label}"] = values
    return pl.DataFrame(columns).get_columns()


def write_predictions(predictions: pl.DataFrame, out: Path) -> None:
    """Write ``.csv`` or ``.parquet``; the file appears whole or not at all."""
    if out.suffix not in (".csv", ".parquet"):
        raise invalid("--out", str(out), "a file that ends in .csv or .parquet")
    with replacing(out) as fresh:
        if out.suffix == ".csv":
            predictions.write_csv(fresh)
        else:
            predictions.write_parquet(fresh)
