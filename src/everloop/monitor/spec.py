"""The ``[monitor]`` section of a loop file."""

from __future__ import annotations

from typing import Literal

import msgspec


class PerformanceSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """When the labels of a window count as having come, and which loss is tolerated."""

    labels_after: str = "1d"  # after the end of a window
    tolerance: float = 0.02  # share of the score at test time; a smaller loss raises no alarm
    estimate: str = "auto"  # until labels come: auto, adaptive, cbpe, pape, m_cbpe, dle, none


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

    window: str = "1d"  # length of a window in the time of the data, or as "1000 rows"
    drift: bool = True  # compare features and answers with the reference
    reference: Literal["training", "rolling", "seasonal"] = "training"  # what windows are like
    tests: tuple[str, ...] = ("kolmogorov_smirnov", "chi_square")  # of numbers and of categories
    feature_tests: dict[str, tuple[str, ...]] = {}  # other tests, by the name of a feature
    multivariate: tuple[str, ...] = ("correlation",)  # tests of all features together
    sequential: tuple[str, ...] = ()  # detectors that see answers and errors row by row
    control: str = "e_detector"  # of false alarms: lord, saffron and e_lond bound their share
    run_length: int = 2_000  # windows to a false alarm on average, of the e_detector
    tolerance: float = 0.04  # standard deviations that are no drift, of e_detector and e_lond
    quality: bool = True  # find broken features, and quarantine their windows
    performance: PerformanceSpec | None = PerformanceSpec()
    log: LogSpec = LogSpec()
    false_alarm_rate: float = 0.05  # share of alarms that may be false, over features and windows
    min_effect: float = 0.1  # from 0 to 1; a smaller drift is told, but calls for no update
    min_rows: int = 100  # a smaller window is "not enough evidence"

    def tests_of(self, feature: str) -> tuple[str, ...]:
        """Names of the drift tests that a feature is put to, as far as they take its kind."""
        return self.feature_tests.get(feature, self.tests)
