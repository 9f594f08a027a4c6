"""Labels that come as a table: what is new is kept, and everything else is counted by what it is.

Of several labels of an id the newest counts, by the time that the table gives or else by the time
of its coming. A label whose time is still to come is set apart, since it would outlast every
correction; one for an id that nobody predicted is kept, for its prediction may come later.
"""

from __future__ import annotations

from typing import Any

import msgspec
import polars as pl

from everloop.data.schema import Schema
from everloop.monitor.importing import Importer
from everloop.monitor.labels import label_codes, meanings, present
from everloop.monitor.log import PredictionLog
from everloop.store.clock import now_ms

SKEW_MS = 300_000  # that a clock may be ahead
SHOWN = 5  # examples of each kind
_LABELS = {"id": pl.String, "at": pl.Int64, "label": pl.String}
_json = msgspec.json.Encoder()


class Fed(msgspec.Struct, frozen=True):
    """What became of the rows of a table of labels; each row is counted once.

    ``corrected`` replaced another label of their id, ``outdated`` are older than the label that
    counts, ``unknown`` are new labels of ids that nobody predicted so far (they are kept).
    Nothing is kept of the ``future``, the ``unfit`` (no label of the task) and the ``empty`` (no id
    or no label).
    """

    rows: int = 0
    new: int = 0
    corrected: int = 0
    repeated: int = 0
    outdated: int = 0
    unknown: int = 0
    future: int = 0
    unfit: int = 0
    empty: int = 0
    examples: dict[str, list[str]] = {}  # ids, by kind

    def plus(self, other: Fed) -> Fed:
        """Both together."""
        counts = {n: getattr(self, n) + getattr(other, n) for n in COUNTS}
        examples = {
            kind: [*self.examples.get(kind, []), *other.examples.get(kind, [])][:SHOWN]
            for kind in {**self.examples, **other.examples}
        }
        return Fed(**counts, examples=examples)

    def sentences(self) -> list[str]:
        """What a person should know, beside the number of new labels."""
        found = [
            (self.corrected, "{n} corrected an earlier label, and count instead of it"),
            (self.repeated, "{n} had come before, and count once"),
            (self.outdated, "{n} are older than the label that counts, and change nothing"),
            (self.unknown, "{n} are for ids that nobody predicted so far; they wait for them"),
            (self.future, "{n} are from the future and were left out: look at the sender's clock"),
            (self.unfit, "{n} are no label of this task and were left out"),
            (self.empty, "{n} have no id or no label and were left out"),
        ]
        return [text.format(n=f"{n:,}") for n, text in found if n]


COUNTS = tuple(name for name in Fed.__struct_fields__ if name != "examples")


class Intake:
    """Takes labels for one endpoint, a batch after the other.

    Parameters
    ----------
    schema : tells which labels fit; None takes every one.
    """

    def __init__(
        self, log: PredictionLog, importer: Importer, endpoint: str, schema: Schema | None
    ) -> None:
        self.log, self.importer = log, importer
        self.endpoint, self.schema = endpoint, schema
        self._kept: list[pl.Series] = []
        self.fed = Fed()

    def take(self, ids: pl.Series, labels: pl.Series, at: pl.Series | None) -> Fed:
        """Keep what is new of these rows; ``at`` are times in ms, null or None for now."""
        now = now_ms()
        texts = ids.cast(pl.String).alias("id")
        given = (at if at is not None else pl.Series([None] * len(ids))).cast(pl.Int64).alias("at")
        rows = pl.DataFrame([texts, given, json_texts(labels).alias("label")])
        name = self.importer.known("feedback", self.endpoint, rows)
        if name is None:
            fed = Fed(rows=rows.height, repeated=rows.height)
        else:
            timed = rows.with_columns(pl.col("at").fill_null(now))
            kept, fed = self._sorted_out(timed, now)
            self.importer.add("feedback", self.endpoint, kept, name)
            self._kept.append(kept["id"])
        self.fed = self.fed.plus(fed)
        return fed

    def finish(self) -> Fed:
        """The totals, once it is known which of the ids were predicted."""
        ids = pl.concat(self._kept).unique() if self._kept else pl.Series("id", [], pl.String)
        unknown = ids.filter(~ids.is_in(self.log.known_ids(self.endpoint, ids).implode()))
        self.fed = self.fed.plus(Fed(unknown=len(unknown), examples=_examples("unknown", unknown)))
        return self.fed

    def _sorted_out(self, rows: pl.DataFrame, now: int) -> tuple[pl.DataFrame, Fed]:
        """The rows to keep, and the count of each kind."""
        empty = rows["id"].is_null() | (rows["label"] == "null")
        future = ~empty & (rows["at"] > now + SKEW_MS)
        unfit = ~empty & ~future & ~self._fits(rows["label"])
        sound = rows.filter(~(empty | future | unfit))
        fresh, counts = self._news(sound)
        left = {"future": future, "unfit": unfit, "empty": empty}
        examples: dict[str, list[str]] = {}
        for kind, mask in left.items():
            counts[kind] = int(mask.sum())
            examples |= _examples(kind, rows["id"].filter(mask))
        examples |= _examples("corrected", counts.pop("corrections"))
        return fresh, Fed(rows=rows.height, **counts, examples=examples)

    def _news(self, sound: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, Any]]:
        """Rows whose label differs from the one before it of its id, or is the first."""
        before = self.log.label_history(self.endpoint, sound["id"].unique())
        both = pl.concat(
            [
                before.with_columns(old=pl.lit(True)),
                sound.with_columns(old=pl.lit(False)),
            ]
        ).sort("at", maintain_order=True)
        both = both.with_columns(means=meanings(both["label"], self.schema))
        told = both.with_columns(
            previous=pl.col("means").shift().over("id"),
            again=~pl.struct("id", "at", "means").is_first_distinct(),
        )
        again = told["again"] | (told["means"] == told["previous"]).fill_null(False)
        repeated = ~told["old"] & again
        news = told.filter(~repeated).with_columns(
            last=pl.int_range(pl.len()).over("id") == pl.len().over("id") - 1
        )
        news = news.filter(~pl.col("old"))
        first = news["previous"].is_null() & news["last"]
        corrected = news["previous"].is_not_null() & news["last"]
        return news.select(*_LABELS), {
            "repeated": int(repeated.sum()),
            "new": int(first.sum()),
            "corrected": int(corrected.sum()),
            "outdated": int((~news["last"]).sum()),
            "corrections": news["id"].filter(corrected),
        }

    def _fits(self, labels: pl.Series) -> pl.Series:
        if self.schema is None:
            return pl.repeat(True, len(labels), eager=True)
        return pl.Series(present(label_codes(labels, self.schema)))


def json_texts(labels: pl.Series) -> pl.Series:
    """Values as JSON texts, as the log keeps labels; null as ``null``."""
    values = labels.unique()
    if values.dtype.is_temporal():
        values, labels = values.cast(pl.String), labels.cast(pl.String)
    if values.dtype.is_float():  # a column of whole numbers with gaps comes as floats
        labels = labels.fill_nan(None)
        values = labels.unique()
    plain = values.to_list()
    texts = [_json.encode(_whole(value)).decode() for value in plain]
    table = pl.DataFrame({"value": values, "text": texts})
    joined = (
        labels.alias("value")
        .to_frame()
        .join(table, on="value", how="left", nulls_equal=True, maintain_order="left")
    )
    return joined["text"].fill_null("null")


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _examples(kind: str, ids: pl.Series) -> dict[str, list[str]]:
    return {kind: [str(id) for id in ids.head(SHOWN).to_list()]} if len(ids) else {}
