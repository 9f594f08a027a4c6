"""Tables that do not fit into memory: read a batch at a time, as often as needed."""

from everloop.data.streams._base import Table
from everloop.data.streams.opening import open_table, stream
from everloop.data.streams.survey import Survey, survey

__all__ = ["Survey", "Table", "open_table", "stream", "survey"]
