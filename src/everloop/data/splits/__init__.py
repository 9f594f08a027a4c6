"""Which rows train and which judge."""

from everloop.data.splits._base import Rows, Split, group_codes, groups_of, millis
from everloop.data.splits.by_time import forward
from everloop.data.splits.hashing import row_hash
from everloop.data.splits.holdout import How, split
from everloop.data.splits.k_fold import k_fold
from everloop.data.splits.nested import Nested, nested

__all__ = [
    "How",
    "Nested",
    "Rows",
    "Split",
    "forward",
    "group_codes",
    "groups_of",
    "k_fold",
    "millis",
    "nested",
    "row_hash",
    "split",
]
