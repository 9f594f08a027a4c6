"""``size_mb <= NUMBER``: how large the packaged model is."""

from __future__ import annotations

from everloop.evaluate.gates._base import Evidence
from everloop.evaluate.gates._measured import MeasuredGate
from everloop.extensions import gates


@gates.register("size")
class Size(MeasuredGate):
    """The bytes of the model that is served, in millions."""

    form = "size_mb <= NUMBER"
    words = ("size_mb",)
    told = "The model takes {value} MB, wanted {sign} {bound} MB."

    def measure(self, evidence: Evidence) -> float | None:
        return None if evidence.size is None else evidence.size / 1e6
