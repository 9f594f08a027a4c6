"""The version of everloop, for those parts that must not import the rest of it."""

__version__ = "0.1.0"
