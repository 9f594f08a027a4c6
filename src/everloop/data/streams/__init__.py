"""Tables that do not fit into memory, read a batch at a time."""

from everloop.data.streams.batches import stream
from everloop.data.streams.survey import Survey, survey

__all__ = ["Survey", "stream", "survey"]
