"""Reading texts, images and sequences off a column: which columns are such, and how large."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import polars as pl

from everloop.data import minilm
from everloop.data.columns import as_image, as_sequence, as_text
from everloop.data.images import image_shape
from everloop.data.pieces import MAX_PIECES, WordPieces
from everloop.data.schema import Feature, Tokens
from everloop.data.sequences import MAX_STEPS, sequence_array
from everloop.data.texts import BUCKETS, MAX_LENGTH, longer, vocabulary, words

MAX_SIDE = 64  # pixels of an image, where no size is asked for
PROSE_WORDS = 5  # text of so many words on average is read as text, not as a category
PROSE_SHARE = 0.5  # of values that differ
_LOOKED_AT = 1000


def is_prose(text: pl.Series, distinct: int) -> bool:
    """Whether the values are sentences rather than names: long, and mostly different.

    What is written without a space, as an address or a UUID, is one word, unless it is of a script
    that may need none.
    """
    present = text.drop_nulls()
    if distinct <= PROSE_SHARE * len(present):
        return False
    counts = [
        len(words(value)) if " " in value or not value.isascii() else 1
        for value in islice(present, _LOOKED_AT)
    ]
    return sum(counts) >= PROSE_WORDS * len(counts)


def is_image(series: pl.Series) -> bool:
    """Whether the first value is the bytes of an image."""
    if series.dtype != pl.Binary:
        return False
    first = series.drop_nulls().head(1)
    if first.is_empty():
        return False
    try:
        image_shape(first[0])
    except ValueError:
        return False
    return True


def is_sequence(series: pl.Series) -> bool:
    """Whether the column holds lists of numbers."""
    inner = series.dtype
    while isinstance(inner, pl.List | pl.Array):
        inner = inner.inner  # type: ignore[assignment]
    return series.dtype.is_nested() and inner.is_numeric()


def text_feature(series: pl.Series, tokens: Tokens = "words") -> Feature | str:
    """A text with its words, or with the word pieces of a language model."""
    texts = as_text(series).drop_nulls().to_list()
    nullable = series.null_count() > 0
    if tokens == "pieces":
        levels = minilm.vocabulary()
        pieces = WordPieces(levels, MAX_PIECES)
        longest = max(MAX_PIECES - pieces.ids(text).count(-1.0) for text in texts)
        return Feature(series.name, "text", levels, nullable, (longest,), tokens)
    if tokens == "hashed":
        length = max(1, min(max(len(words(text)) for text in texts), MAX_LENGTH))
        return Feature(series.name, "text", (), nullable, (length,), tokens, BUCKETS)
    levels, longest = vocabulary(texts)
    if not levels:
        return "no word is in two of its texts"
    return Feature(series.name, "text", levels, nullable, (min(longest, MAX_LENGTH),))


def image_feature(series: pl.Series, size: tuple[int, ...]) -> Feature:
    """An image of ``size`` (height, width), or else of the most frequent size, at most 64 a side.

    It has three channels when any image has.
    """
    shapes = Counter(image_shape(value) for value in as_image(series).drop_nulls().to_list())
    height, width, _ = shapes.most_common(1)[0][0]
    channels = max(shape[2] for shape in shapes)
    if not size:
        scale = min(1.0, MAX_SIDE / max(height, width))
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
    nullable = series.null_count() > 0
    return Feature(series.name, "image", nullable=nullable, shape=(*size, channels))


def sequence_feature(series: pl.Series) -> Feature | str:
    """A sequence as long as the longest, at most 512 steps, of the first one's channels."""
    values = [value for value in as_sequence(series).drop_nulls().to_list() if value]
    if not values:
        return "its lists are empty"
    steps = min(max(map(len, values)), MAX_STEPS)
    channels = sequence_array(values[0]).shape[1]
    nullable = series.null_count() > 0
    return Feature(series.name, "sequence", nullable=nullable, shape=(steps, channels))


def size_note(series: pl.Series, feature: Feature) -> str | None:
    """A sentence on what is cut off or scaled, if anything is."""
    if feature.kind == "text":
        return f'Column "{feature.name}" is read as text: {_text_note(series, feature)}.'
    if feature.kind == "image":
        height, width, channels = feature.shape
        colour = "grey" if channels == 1 else "colour"
        return f'Column "{feature.name}" is read as {colour} images, {height} by {width} pixels.'
    if feature.kind == "sequence":
        steps, channels = feature.shape
        return (
            f'Column "{feature.name}" is read as sequences: the last {steps} steps of {channels} '
            f"number{'s' if channels > 1 else ''}."
        )
    return None


def _text_note(series: pl.Series, feature: Feature) -> str:
    if feature.tokens == "pieces":
        return f"the first {feature.shape[0]} word pieces of each, for a sentence embedding"
    read = f"{feature.vocabulary:,} words are known"
    if feature.tokens == "hashed":
        read = f"its words are hashed into {feature.buckets:,} numbers"
    length = feature.shape[0]
    if any(longer(text, length) for text in as_text(series).drop_nulls()):
        return f"{read}, only the first {length} of a text are read"
    return read
