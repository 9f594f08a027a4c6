"""What is known of rows that stay where they are: a dataset version without a copy of them."""

from __future__ import annotations

import msgspec

from everloop.data.splits.rule import Rule


class Part(msgspec.Struct, frozen=True):
    """A file, an object or the answer to a query.

    Attributes
    ----------
    address : as from the loop file's folder; of an object the whole address.
    bytes : its size; of an answer the number of rows.
    stamp : time of the last change in nanoseconds, or an object's ETag; while it and the size are
        the same, the content is not read again to compare it.
    sha256 : of its bytes; of an answer a sum over its rows, whatever their order.
    """

    address: str
    bytes: int
    stamp: str
    sha256: str


class Reference(msgspec.Struct, frozen=True):
    """Rows by reference, and how they are divided.

    Attributes
    ----------
    parts : where the rows are, in the order in which they are read.
    rows, train_rows, test_rows : of all parts and ``added``.
    kept_train, kept_test : how many of each are kept, a fair sample.
    added : labelled rows of the prediction log, kept whole behind the sample.
    rule : which rows test.
    whole : columns of numbers without a fraction, in files that do not say their types.
    blocks : training rows in each block of :data:`BLOCK` rows.
    ordered : whether the target differs much between blocks, as in a file sorted by it.
    """

    parts: list[Part]
    rows: int
    train_rows: int
    test_rows: int
    kept_train: int
    kept_test: int
    added: int
    rule: Rule
    whole: list[str]
    blocks: list[int]
    ordered: bool

    @property
    def size(self) -> int:
        """Bytes of all parts together."""
        return sum(part.bytes for part in self.parts)

    @property
    def content(self) -> bytes:
        """What the rows are, without the times of files: equal for equal content."""
        parts = [msgspec.structs.replace(part, stamp="") for part in self.parts]
        return msgspec.json.encode(msgspec.structs.replace(self, parts=parts), order="sorted")


BLOCK = 1 << 16
"""Rows of a block: what is read, counted and learned from together."""
