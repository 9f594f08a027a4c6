"""``p99_latency_ms <= NUMBER``: how long the packaged model takes."""

from __future__ import annotations

from everloop.evaluate.gates._base import Evidence
from everloop.evaluate.gates._measured import MeasuredGate
from everloop.extensions import gates


@gates.register("latency")
class Latency(MeasuredGate):
    """The 99th percentile of the time for one row, in milliseconds.

    Of a request to the packaged model in a real server process, with the rows of the holdout.
    """

    form = "p99_latency_ms <= NUMBER"
    words = ("p99_latency_ms",)
    told = "p99 latency is {value} ms, wanted {sign} {bound} ms."

    def measure(self, evidence: Evidence) -> float | None:
        return evidence.latency() if evidence.latency is not None else None
