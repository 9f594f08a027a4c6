"""All gates of a loop file at once: their verdicts, and what is done about them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from everloop.evaluate.compare import adjusted
from everloop.evaluate.gates._base import Evidence, Gate, GateResult, shown
from everloop.evaluate.metrics._estimate import TAILS
from everloop.evaluate.spec import EvaluateSpec

ALPHA = TAILS[0]  # of a claim that the challenger is better, one-sided


class Blessing(msgspec.Struct, frozen=True):
    """What follows from the gates.

    ``refused`` are the results that end the cycle, ``asks`` those about which a person decides.
    ``blessed`` is whether there are none of either.
    """

    blessed: bool
    refused: list[GateResult]
    asks: list[GateResult]

    @property
    def marker(self) -> str:
        """The name of the empty file that says so, as TFX's Evaluator names it."""
        return "BLESSED" if self.blessed else "NOT_BLESSED"


def check_gates(
    gates: Sequence[Gate],
    evidence: Evidence,
    spec: EvaluateSpec,
    unanswered: str | None = None,
) -> list[GateResult]:
    """The verdict of each gate, with the comparisons held to account for each other.

    ``unanswered`` says why the champion has no answers to these rows, when there is one.
    """
    results = [
        gate.result("not_enough_evidence", unanswered)
        if unanswered is not None and gate.compares
        else gate.check(evidence.labelled if gate.needs_labels else evidence)
        for gate in gates
    ]
    return with_words(together(results), gates, spec)


def together(results: Sequence[GateResult]) -> list[GateResult]:
    """Comparisons with the champion as one family of claims.

    Each alone is wrong in 2.5 of 100 cycles; without more, one of several would be wrong far more
    often. Their p-values are adjusted by :func:`~everloop.evaluate.compare.adjusted`. The gates
    on fixed bounds claim nothing about luck and are left alone.
    """
    claims = [i for i, r in enumerate(results) if r.p_value is not None]
    values = adjusted([results[i].p_value or 0.0 for i in claims])
    out = list(results)
    for i, value in zip(claims, values, strict=True):
        verdict, detail = out[i].verdict, out[i].detail
        if verdict == "pass" and value > ALPHA + 1e-12:
            verdict = "not_enough_evidence"
            detail += f" Not sure enough among {len(claims)} comparisons: p {shown(value)}."
        out[i] = msgspec.structs.replace(out[i], verdict=verdict, detail=detail, p_value=value)
    return out


def with_words(
    results: Sequence[GateResult], gates: Sequence[Gate], spec: EvaluateSpec
) -> list[GateResult]:
    """What the loop file says is done about each verdict that is no pass."""
    general = {"fail": spec.on_fail, "not_enough_evidence": spec.on_not_enough_evidence}
    return [
        r
        if r.verdict == "pass"
        else msgspec.structs.replace(r, word=gate.word or general[r.verdict])
        for r, gate in zip(results, gates, strict=True)
    ]


def bless(results: Sequence[GateResult]) -> Blessing:
    """Whether a version with these results may serve."""
    refused = [r for r in results if r.word == "refuse"]
    asks = [r for r in results if r.word == "ask"]
    return Blessing(not refused and not asks, refused, asks)
