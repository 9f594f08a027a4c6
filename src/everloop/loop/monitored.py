"""What ``[monitor]`` may say, beyond the types of its keys."""

from __future__ import annotations

from typing import Any

from everloop.data.addresses import check_address
from everloop.durations import seconds
from everloop.errors import InvalidInput, invalid
from everloop.extensions import (
    Registry,
    controls,
    drift_tests,
    estimators,
    multivariate_tests,
    sequential_detectors,
)
from everloop.monitor.alerting.rules import check_alerts
from everloop.monitor.spans import check_window
from everloop.monitor.spec import HealthSpec, MonitorSpec, SourceSpec


def check_monitor(monitor: MonitorSpec) -> None:
    """Raise :class:`~everloop.errors.InvalidInput` for a value that cannot be."""
    check_window(monitor.window)
    if monitor.performance is not None:
        seconds(monitor.performance.labels_after, "monitor.performance.labels_after")
        if not 0 <= monitor.performance.tolerance < 1:
            raise invalid(
                "monitor.performance.tolerance", monitor.performance.tolerance, "a share in [0, 1)"
            )
        if monitor.performance.estimate not in ("auto", "none"):
            estimators.get(monitor.performance.estimate, "monitor.performance.estimate")
    if not 0 < monitor.false_alarm_rate < 1:
        raise invalid("monitor.false_alarm_rate", monitor.false_alarm_rate, "a share in (0, 1)")
    if not 0 <= monitor.min_effect <= 1:
        raise invalid("monitor.min_effect", monitor.min_effect, "a number from 0 to 1")
    if monitor.min_rows < 1:
        raise invalid("monitor.min_rows", monitor.min_rows, "1 or more")
    if monitor.silence:
        seconds(monitor.silence, "monitor.silence")
    if monitor.source is not None:
        _check_source(monitor.source)
    _check_drift(monitor)
    check_alerts(monitor)
    if monitor.health is not None:
        _check_health(monitor.health)


def _check_source(source: SourceSpec) -> None:
    seconds(source.every, "monitor.source.every")
    seconds(source.late, "monitor.source.late")
    if not source.address and source.labels is None:
        raise invalid("monitor.source.address", "", "where predictions or labels are logged")
    for field, one in (("monitor.source", source), ("monitor.source.labels", source.labels)):
        if one is not None and one.address:
            try:
                check_address(one.address, one.query)
            except InvalidInput as error:  # it speaks of the training data
                said = error.message.replace("data.source", f"{field}.address")
                said = said.replace("data.query", f"{field}.query")
                raise InvalidInput(said, code=error.code, path=field, fix=error.fix) from None


def _check_health(health: HealthSpec) -> None:
    if seconds(health.window, "monitor.health.window") < 1:
        raise invalid("monitor.health.window", health.window, "1s or more")
    for field in ("error_rate", "shed"):
        if not 0 <= getattr(health, field) <= 1:
            raise invalid(f"monitor.health.{field}", getattr(health, field), "a share in [0, 1]")
    for field in ("p99_ms", "core_hour"):
        if not getattr(health, field) >= 0:
            raise invalid(f"monitor.health.{field}", getattr(health, field), "0 or more")
    for field in ("windows", "min_requests"):
        if getattr(health, field) < 1:
            raise invalid(f"monitor.health.{field}", getattr(health, field), "1 or more")


def _check_drift(monitor: MonitorSpec) -> None:
    """The names of tests, detectors and the control, and the bounds of the last."""
    default = MonitorSpec()
    if monitor.tests != default.tests:
        _check_names(drift_tests, "monitor.tests", monitor.tests)
    for feature, tests in monitor.feature_tests.items():
        _check_names(drift_tests, f"monitor.feature_tests.{feature}", tests)
    if monitor.multivariate != default.multivariate:
        _check_names(multivariate_tests, "monitor.multivariate", monitor.multivariate)
    _check_names(sequential_detectors, "monitor.sequential", monitor.sequential)
    if monitor.control != default.control:
        controls.get(monitor.control, "monitor.control")
    if monitor.run_length < 1:
        raise invalid("monitor.run_length", monitor.run_length, "1 window or more")
    if not 0 <= monitor.tolerance < 1:
        raise invalid("monitor.tolerance", monitor.tolerance, "standard deviations in [0, 1)")


def _check_names(known: Registry[Any], field: str, names: tuple[str, ...]) -> None:
    for name in names:
        known.get(name, field)
