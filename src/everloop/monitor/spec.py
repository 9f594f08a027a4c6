"""The ``[monitor]`` section of a loop file."""

from __future__ import annotations

import msgspec


class PerformanceSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """When the labels of a window count as having come, and which loss is tolerated."""

    labels_after: str = "1d"  # after the end of a window
    tolerance: float = 0.02  # share of the score at test time; a smaller loss raises no alarm


class MonitorSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which windows are looked at, and for what."""

    window: str = "1d"  # length of a window, in the time of the data
    drift: bool = True  # compare features and answers with the champion's reference
    quality: bool = True  # find broken features, and quarantine their windows
    performance: PerformanceSpec | None = PerformanceSpec()
    false_alarm_rate: float = 0.05  # share of alarms that may be false, over features and windows
    min_effect: float = 0.1  # of a drift, from 0 (none) to 1 (nothing in common)
    min_rows: int = 100  # a smaller window is "not enough evidence"
