"""What is asked of Prometheus about an endpoint: each expression once, for rules and dashboard.

``$endpoint`` stands for the endpoint's name, ``$window`` for a stretch such as ``5m``; every metric
is one that a data plane or the control plane exposes.
"""

from __future__ import annotations

from typing import NamedTuple

_OF = '{endpoint="$endpoint"}'
_ARMS = 'endpoint="$endpoint", arm!="shadow"'
_ANSWERS = f"sum(rate(everloop_http_responses_total{_OF}[$window]))"


def _share(code: str) -> str:
    """The share of the answers whose status matches ``code``; 0 where none does."""
    some = f'everloop_http_responses_total{{endpoint="$endpoint", code=~"{code}"}}'
    return f"(sum(rate({some}[$window])) or vector(0)) / {_ANSWERS}"


def _quantile(q: float) -> str:
    rates = f"rate(everloop_prediction_seconds_bucket{{{_ARMS}}}[$window])"
    return f"histogram_quantile({q}, sum by (le) ({rates}))"


REQUESTS = f"sum by (version, arm) (rate(everloop_requests_total{_OF}[$window]))"
ROWS = f"sum(rate(everloop_predictions_total{_OF}[$window]))"
ERRORS = _share("5..")
SHED = _share("429")
P50, P99 = _quantile(0.5), _quantile(0.99)
STATUS = f"sum by (code) (rate(everloop_http_responses_total{_OF}[$window]))"
ACTIVE = f"sum(everloop_requests_active{_OF})"
WAITING = f"sum(everloop_requests_waiting{_OF})"
_SHED_ROWS = f"sum by (reason) (rate(everloop_prediction_log_shed_total{_OF}[$window]))"
LOG_LOST = f"{_SHED_ROWS} or on() vector(0)"  # the counter begins with the first row
CPU = "sum(rate(everloop_cpu_seconds_total[$window]))"
MODELS = "sum(everloop_models_resident_bytes)"
ALERTS = f"sum by (kind, severity) (everloop_alerts_open{_OF}) or on() vector(0)"
# The endpoint's share of the time spent on answers is its share of the cores.
_SPENT = f"sum(rate(everloop_prediction_seconds_sum{_OF}[$window]))"
_ALL_SPENT = "sum(rate(everloop_prediction_seconds_sum[$window]))"
COST = f"{CPU} * {_SPENT} / {_ALL_SPENT} / 3600 * $core_hour / {ROWS} * 1000"


class Watched(NamedTuple):
    """An endpoint with what it must keep to; ``window`` and ``patience`` are Prometheus durations.

    ``planes`` and ``control`` are addresses as ``host:port``; ``token`` says that they want one.
    """

    endpoint: str
    error_rate: float
    p99_ms: float
    shed: float
    window: str
    patience: str
    core_hour: float
    planes: tuple[str, ...]
    control: str
    token: bool


def filled(query: str, watched: Watched) -> str:
    """A query for one endpoint."""
    name = watched.endpoint.replace("\\", "\\\\").replace('"', '\\"')
    found = query.replace("$endpoint", name).replace("$window", watched.window)
    return found.replace("$core_hour", f"{watched.core_hour:g}")
