"""Where trials run, by plain names."""

from everloop.train.search.workers import inline, processes, ray

__all__ = ["inline", "processes", "ray"]
