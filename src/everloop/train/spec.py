"""The ``[train]`` section of a loop file."""

from __future__ import annotations

import msgspec


class SearchSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How long to look for better hyper-parameters; 0 trials keeps the defaults."""

    trials: int = 0  # how many settings of each candidate are tried
    timeout: str = "10m"  # of the search as a whole


class TrainSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which models are tried; an empty list takes the default of the task."""

    candidates: tuple[str, ...] = ()  # names of algorithms, or "module:Class" of your own
    search: SearchSpec = SearchSpec()
