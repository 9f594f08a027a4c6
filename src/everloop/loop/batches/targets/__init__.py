"""Where the answers of a batch go, one module for each kind of place."""

from everloop.loop.batches.targets._base import Target
from everloop.loop.batches.targets.opening import open_target

__all__ = ["Target", "open_target"]
