"""What sentences, images and lists are looked at for beside their one number."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl
from msgspec.structs import replace

from everloop.monitor.aspects import images, texts
from everloop.monitor.aspects.languages import LANGUAGES
from everloop.monitor.profile import CategorySketch, Floats, Sketch
from everloop.monitor.signals import NARROW
from everloop.monitor.summaries.levels import LevelState, LevelSummary
from everloop.monitor.summaries.numbers import FULL, NumberState, NumberSummary, Size
from everloop.monitor.summaries.vectors import SAMPLE, VectorState, VectorSummary

Embed = Callable[[list[str]], Floats]
Part = NumberSummary | LevelSummary | VectorSummary
PartState = NumberState | LevelState | VectorState

_AT_ONCE = 1 << 13  # lists that are numbers in memory at a time


class Beside:
    """Summaries of the aspects of one column, by their names; each merges by itself.

    Languages and words are those of some texts of each batch, evenly spread; all others are of
    every row.
    """

    def __init__(self, embed: Embed | None = None, size: Size = FULL) -> None:
        self._size = size
        self.parts: dict[str, Part] = {}
        self._embed = embed

    def add_texts(self, column: pl.Series) -> None:
        """Look at the next sentences."""
        read = texts.some(column)
        self._levels("language").add(texts.languages(read))
        words = self._levels("words")
        words.add(texts.different_words(read))
        words.missing += len(read)  # stands for the texts that were read, see `sketches`
        if self._embed is not None:
            present = column.drop_nulls()
            self._vectors("meaning").add_some(texts.some(present).to_list(), self._embed)

    def add_images(self, column: pl.Series) -> Floats:
        """Look at the next images, and return the brightness of each."""
        seen = images.looks(column)
        self._numbers("sharpness").add(seen.sharpness)
        self._numbers("size").add(seen.size)
        self._vectors("look").add(seen.look)
        return seen.brightness

    def add_lists(self, column: pl.Series) -> None:
        """Look at the next lists of numbers; those of one length are vectors."""
        if isinstance(column.dtype, pl.Array):
            column = column.arr.to_list()
        if not column.dtype.inner.is_numeric():  # type: ignore[attr-defined]
            return
        spread = column.list.std(ddof=0).cast(pl.Float64).to_numpy()
        self._numbers("spread").add(spread)
        known = self.parts.get("vector")
        width = known.size if isinstance(known, VectorSummary) else _width(column)
        if width < NARROW:
            return
        vectors = self._vectors("vector")
        for part in column.to_frame("v").iter_slices(_AT_ONCE):
            lists = part["v"]
            fit = lists.filter((lists.list.len() == width).fill_null(False))
            flat = fit.explode().cast(pl.Float64, strict=False).to_numpy()
            vectors.add(flat.reshape(-1, width))
            vectors.missing += len(lists) - len(fit)

    def merge(self, other: Beside) -> None:
        """Take in what ``other`` saw, which stays as it is."""
        for name, part in other.parts.items():
            if name not in self.parts:
                self.parts[name] = part_of(part.state())
                continue
            known = self.parts[name]
            known.merge(part)  # type: ignore[arg-type]

    def sketches(self, like: Mapping[str, Sketch]) -> dict[str, Sketch]:
        """As drift tests take them; words by the levels of ``like``."""
        found: dict[str, Sketch] = {}
        for name, part in self.parts.items():
            if isinstance(part, NumberSummary):
                found[name] = replace(part.sketch(), of=name)
            elif isinstance(part, VectorSummary):
                found[name] = part.sketch()
            elif name == "language":
                found[name] = part.sketch(LANGUAGES)
            else:
                found[name] = _words(part, like.get(name))
        return found

    def _numbers(self, name: str) -> NumberSummary:
        found = self.parts.setdefault(name, NumberSummary(self._size))
        assert isinstance(found, NumberSummary)
        return found

    def _levels(self, name: str) -> LevelSummary:
        found = self.parts.setdefault(name, LevelSummary(self._size))
        assert isinstance(found, LevelSummary)
        return found

    def _vectors(self, name: str) -> VectorSummary:
        found = self.parts.setdefault(name, VectorSummary())
        assert isinstance(found, VectorSummary)
        return found


def _words(part: LevelSummary, like: Sketch | None) -> CategorySketch:
    """Words against the common ones of ``like``. Those of a text come together, so a text is what
    counts as a draw, however many words it has."""
    read = part.missing
    levels = like.levels if isinstance(like, CategorySketch) else None
    per_draw = max(1.0, part.n / max(read, 1))
    return replace(part.sketch(levels), missing=0, rows_per_draw=per_draw)


def _width(column: pl.Series) -> int:
    """The length that the first lists have in common; 0 where they differ."""
    lengths = column.drop_nulls().head(SAMPLE).list.len().unique()
    return int(lengths[0]) if len(lengths) == 1 else 0


def part_of(state: PartState) -> Part:
    """The summary that was kept as ``state``."""
    if isinstance(state, NumberState):
        return NumberSummary.of(state)
    return LevelSummary.of(state) if isinstance(state, LevelState) else VectorSummary.of(state)
