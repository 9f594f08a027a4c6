"""Rows of a source to answers, by the schema of the model; what has none is said, row by row."""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from everloop.data.conform import conform
from everloop.errors import InvalidInput, no_column
from everloop.loop.answers import PackagedModel
from everloop.loop.batches.frames import answer_columns, with_answers
from everloop.loop.batches.records import Batch
from everloop.loop.batches.source import Rows
from everloop.loop.batches.targets._base import Reject

_FIX = 'Mend the row; errors = "reject" sets it aside.'
_PLACE = re.compile(r"\$\[(\d+)\]\.?(.*)", re.DOTALL)


class Answering:
    """The model and what is wanted beside its answers.

    Attributes
    ----------
    text : columns of text files that are not numbers, so that their types are not guessed.
    every : all columns; read so, a number that is none is found with its row, and slowly.
    """

    def __init__(self, model: PackagedModel, batch: Batch) -> None:
        self._model, self._batch = model, batch
        self._schema = model.package.schema
        ids = [self._schema.id] if self._schema.id is not None else []
        self._beside = list(dict.fromkeys([*ids, *batch.keep]))
        keys = [name for name in (self._schema.time, self._schema.group) if name is not None]
        others = [f.name for f in self._schema.features if f.kind != "number"]
        self.text = [*others, *self._beside, *self._schema.ignored, self._schema.target, *keys]
        self.every = [*self._schema.names, *self.text]
        self._features = self._schema.features
        self._known = pl.Schema()  # of rows whose columns were found to be right

    def answer(self, rows: Rows, address: str) -> tuple[list[pl.DataFrame], list[Reject]]:
        """The answers, and the rows without one when the batch may go on without them.

        Raises :class:`~everloop.errors.InvalidInput` for columns that do not fit, and for the
        first row that does not when the batch may not.
        """
        self._check(rows.frame)
        return self._some(rows, address)

    def _some(self, rows: Rows, address: str) -> tuple[list[pl.DataFrame], list[Reject]]:
        try:
            return [self._frame(rows.frame)], []
        except InvalidInput as error:
            if _PLACE.match(error.path or "") is None:
                raise
            if self._batch.errors == "fail":
                raise _placed(error, rows.first, address) from None
            if rows.frame.height == 1:
                return [], [_reject(error, rows, address)]
        good: list[pl.DataFrame] = []
        bad: list[Reject] = []
        for half in rows.divided(rows.frame.height // 2):
            found, turned_down = self._some(half, address)
            good += found
            bad += turned_down
        return good, bad

    def _frame(self, frame: pl.DataFrame) -> pl.DataFrame:
        conformed = self._conformed(frame.drop(self._schema.target, strict=False))
        answers = answer_columns(self._model, conformed, self._batch.probabilities)
        beside = [frame[name] for name in self._beside if name in frame.columns]
        return with_answers(beside, answers)

    def _conformed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows as the model's schema has them; numbers are left to the model's encoder, which
        looks at all columns at once."""
        kinds = [frame.schema.get(f.name) if f.kind == "number" else None for f in self._features]
        if any(kind is None or not kind.is_numeric() for kind in kinds):
            return conform(frame, self._schema, ignore=self._batch.keep)
        if frame.schema != self._known:
            conform(frame.head(0), self._schema, ignore=self._batch.keep)
            self._known = frame.schema
        return frame

    def _check(self, frame: pl.DataFrame) -> None:
        for name in self._batch.keep:
            if name not in frame.columns:
                raise no_column("keep", name, frame.columns)


def _placed(error: InvalidInput, by: int, address: str) -> InvalidInput:
    """The same refusal, its row counted in the whole of ``address``."""
    match = _PLACE.match(error.path or "")
    assert match is not None
    row = int(match[1])
    said = error.message.replace(f"row {row + 1}:", f"row {row + 1 + by}:", 1)
    said = said.replace(f"$[{row}]", f"$[{row + by}]", 1)
    path = f"$[{row + by}]" + (f".{match[2]}" if match[2] else "")
    return InvalidInput(
        f"{address}: {said}", code=error.code, path=path, got=error.got,
        expected=error.expected, fix=error.fix or _FIX,
    )  # fmt: skip


def _reject(error: InvalidInput, rows: Rows, address: str) -> Reject:
    placed = _placed(error, rows.first, address)
    match = _PLACE.match(error.path or "")
    values: dict[str, Any] = {
        name: f"<{len(value):,} bytes>" if isinstance(value, bytes) else value
        for name, value in rows.frame.row(0, named=True).items()
    }
    return {
        "source": address,
        "row": rows.first + 1,
        "field": match[2] if match is not None else "",
        "code": error.code,
        "reason": placed.message,
        "values": values,
    }
