"""Fitting a chosen candidate on more rows than fit into memory."""

from everloop.train.streaming.fit import Streamed, fit_stream
from everloop.train.streaming.rows import Rows

__all__ = ["Rows", "Streamed", "fit_stream"]
