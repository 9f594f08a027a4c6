"""The ``[monitor]`` section of a loop file."""

from __future__ import annotations

from typing import Any, Literal

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


class RuleSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which alerts are told to whom, each as a table of the list ``[[monitor.alerts]]``."""

    name: str = ""  # what is known as told goes by it; the rule's place in the list unless given
    kinds: tuple[str, ...] = ()  # such as quality, drift, performance, health; all unless given
    verdicts: tuple[str, ...] = ()  # ends of cycles: promoted, not_worth_it, waiting, …, or all
    severity: Literal["info", "warning", "critical"] = "warning"  # at least
    feature: str = "*"  # a pattern such as wind_*
    segment: str = "*"  # the same, of the segment that an alert is about
    windows: int = 1  # so many in a row before it is told
    # What alerts told together have in common.
    group: tuple[Literal["kind", "feature", "segment"], ...] = ("kind",)
    channels: tuple[str, ...] = ()  # names of [monitor.channels]


class LabelSourceSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Labels that come elsewhere, read as they come."""

    address: str  # as data.source, or a folder
    query: str | None = None  # the SQL that reads a database
    id: str = ""  # the column of ids; the loop's, or id, unless given
    label: str = ""  # the column of labels; label, or the target, unless given
    time: str = ""  # the column that says when a label came; now unless given


class SourceSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Predictions that are logged elsewhere, read as they come."""

    address: str = ""  # as data.source, or a folder; empty where only labels come so
    query: str | None = None  # the SQL that reads a database
    layout: Literal["table", "mlflow"] = "table"  # mlflow: an inference table
    id: str = ""  # the column of ids; the loop's unless given
    time: str = ""  # the column of times; the loop's unless given
    prediction: str = "prediction"  # the column of answers
    probability: str = ""  # of the last class, or a list with that of every class
    version: str = ""  # the column of the model's version; the champion's unless given
    features: dict[str, str] = {}  # feature = column, where their names differ
    senders: tuple[str, ...] = ()  # columns that say who sent a row, such as client
    every: str = "1m"  # time between two looks
    late: str = "1h"  # how much later than newer ones rows of a known file or a database may come
    labels: LabelSourceSpec | None = None  # where labels come


class HealthSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What an endpoint must keep to as a service; windows are of the clock."""

    window: str = "5m"  # length of a window
    error_rate: float = 0.01  # share of the requests that may be answered with 5xx
    p99_ms: float = 1000.0  # latency that 99 % of the requests must not exceed; 0 is no target
    shed: float = 0.05  # share of the requests that may be refused since the queue was full
    windows: int = 2  # so many in a row beyond a target are an alert
    min_requests: int = 20  # fewer in a window say nothing
    core_hour: float = 0.05  # what an hour of a core costs, in your currency


class MonitorSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which windows are looked at, and for what."""

    window: str = "1d"  # length of a window in the time of the data, or as "1000 rows"
    drift: bool = True  # compare features and answers with the reference
    reference: Literal["training", "rolling", "seasonal"] = "training"  # what windows are like
    tests: tuple[str, ...] = ("kolmogorov_smirnov", "chi_square")  # of numbers and of categories
    feature_tests: dict[str, tuple[str, ...]] = {}  # other tests, by the name of a feature
    multivariate: tuple[str, ...] = ("correlation",)  # tests of all features together
    segments: tuple[str, ...] = ()  # categories whose levels have a profile of their own each
    within: bool = True  # drift of features in parts of the rows, too
    sequential: tuple[str, ...] = ()  # detectors that see answers and errors row by row
    control: str = "e_detector"  # of false alarms: lord, saffron and e_lond bound their share
    run_length: int = 2_000  # windows to a false alarm on average, of the e_detector
    tolerance: float = 0.04  # standard deviations that are no drift, of e_detector and e_lond
    expectations: str = "expectations.toml"  # a file that people edit; obeyed once it is there
    quality: bool = True  # find broken features, and quarantine their windows
    performance: PerformanceSpec | None = PerformanceSpec()
    log: LogSpec = LogSpec()
    false_alarm_rate: float = 0.05  # share of alarms that may be false, over features and windows
    min_effect: float = 0.1  # from 0 to 1; a smaller drift is told, but calls for no update
    min_rows: int = 100  # a smaller window is "not enough evidence"
    health: HealthSpec | None = HealthSpec()
    source: SourceSpec | None = None  # where predictions are logged that everloop does not serve
    silence: str = ""  # how long no rows may come; twice the longest gap there was unless given
    alerts: tuple[RuleSpec, ...] = ()  # who is told of what
    channels: dict[str, dict[str, Any]] = {}  # by name: kind, and what that kind needs

    def tests_of(self, feature: str) -> tuple[str, ...]:
        """Names of the drift tests that a feature is put to, as far as they take its kind."""
        return self.feature_tests.get(feature, self.tests)
