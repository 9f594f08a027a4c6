"""The ``[monitor]`` section of a loop file."""

from __future__ import annotations

import msgspec


class PerformanceSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """When the labels of a window count as having come, and which loss is tolerated."""

    labels_after: str = "1d"  # after the end of a window
    tolerance: float = 0.02  # share of the score at test time; a smaller loss raises no alarm


class LogSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What of each prediction is kept, and for how long; applied before it touches a disk."""

    mask: tuple[str, ...] = ()  # columns whose values become "***"
    hash: tuple[str, ...] = ()  # columns whose values become keyed hashes: alike stays alike
    drop: tuple[str, ...] = ()  # columns that are not kept at all
    sample: float = 1.0  # share of the rows that is kept, chosen by the hash of their id
    keep: str = ""  # how long rows and labels are kept, as 90d; for ever unless given

    @property
    def hidden(self) -> frozenset[str]:
        """The columns whose values the log does not tell."""
        return frozenset((*self.mask, *self.hash, *self.drop))


class MonitorSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which windows are looked at, and for what."""

    window: str = "1d"  # length of a window, in the time of the data
    drift: bool = True  # compare features and answers with the champion's reference
    quality: bool = True  # find broken features, and quarantine their windows
    performance: PerformanceSpec | None = PerformanceSpec()
    log: LogSpec = LogSpec()
    false_alarm_rate: float = 0.05  # share of alarms that may be false, over features and windows
    min_effect: float = 0.1  # of a drift, from 0 (none) to 1 (nothing in common)
    min_rows: int = 100  # a smaller window is "not enough evidence"
