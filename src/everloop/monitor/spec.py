"""The ``[monitor]`` section of a loop file."""

from __future__ import annotations

import msgspec


class PerformanceSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """When the labels of a window count as having come."""

    labels_after: str = "1d"  # after the end of a window


class MonitorSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which windows are looked at, and for what."""

    window: str = "1d"  # length of a window, in the time of the data
    drift: bool = True  # compare features and answers with the champion's reference
    quality: bool = True  # find broken features, and quarantine their windows
    performance: PerformanceSpec | None = PerformanceSpec()
    false_alarm_rate: float = 0.01  # per window, over all features together
    min_rows: int = 100  # a smaller window is "not enough evidence"
