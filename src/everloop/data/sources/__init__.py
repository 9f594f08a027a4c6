"""Where rows come from: files, databases and object stores."""

from everloop.data.sources.read import read_table

__all__ = ["read_table"]
