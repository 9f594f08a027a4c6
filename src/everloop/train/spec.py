"""The ``[train]`` section of a loop file."""

from __future__ import annotations

import msgspec


class SearchSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How long to look for better hyper-parameters; 0 trials keeps the defaults."""

    trials: int = 0
    timeout: str = "10m"


class TrainSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which models are tried; an empty list takes the default of the task."""

    candidates: tuple[str, ...] = ()
    search: SearchSpec = SearchSpec()
