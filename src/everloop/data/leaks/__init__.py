"""Leaks: what the training data knows that a request will not; importing registers the checks."""

from everloop.data.leaks import after_outcome, duplicates, future_time, target_copy, telling_id
from everloop.data.leaks._base import Leak, LeakCheck, Sides
from everloop.data.leaks.find import leaks

__all__ = [
    "Leak",
    "LeakCheck",
    "Sides",
    "after_outcome",
    "duplicates",
    "future_time",
    "leaks",
    "target_copy",
    "telling_id",
]
