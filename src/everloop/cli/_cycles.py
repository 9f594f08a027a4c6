"""How a cycle looks on the terminal, while it runs and when it is over."""

from __future__ import annotations

import time
from typing import Any

from rich.status import Status

from everloop.cli._output import (
    console,
    detail,
    heading,
    interval,
    next_step,
    number,
    print_json,
    table,
    verdict,
)
from everloop.cli._target import AnyLoop
from everloop.console.words import step_words, validation_words
from everloop.loop.approving import waits_for
from everloop.loop.cycles import Cycle

DOING = {
    "probe": "asking whether a new model would be better",
    "snapshot": "taking a snapshot of the data",
    "train": "training the candidates",
    "evaluate": "testing through the gates",
    "register": "signing and registering",
    "approve": "asking for approval",
    "deploy": "rolling out",
    "promote": "promoting",
    "retest": "testing through the gates",
    "reproduce": "training again",
}


class CycleView:
    """Shows each step with a spinner while it runs, and a line of what it did when it is done."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._status: Status | None = None
        self._began = time.monotonic()

    def __enter__(self) -> CycleView:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def __call__(self, stage: str, facts: dict[str, Any]) -> None:
        if self.quiet:
            return
        if stage == "step" and facts["state"] == "running":
            self._stop()
            self._began = time.monotonic()
            self._status = console.status(DOING.get(facts["step"], facts["step"]) + " …")
            self._status.start()
        elif stage == "step" and facts["state"] == "done":
            self._stop()
            for line in describe(facts["step"], facts["result"]):
                spent = time.monotonic() - self._began
                detail(f"{line}  {spent:.1f} s", facts["step"])
        elif self._status is not None and stage != "cycle":
            self._status.update(_progress(stage, facts))

    def _stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def describe(step: str, result: dict[str, Any]) -> list[str]:
    """One or two lines of what a step did."""
    if step == "snapshot" and "dataset" in result:
        if "referred" in result:
            return [step_words(step, result)]
        line = (
            f"{result['rows']:,} rows as {result['dataset'][:12]}; {result['train_rows']:,} train, "
            f"{result['test_rows']:,} test ({result['split']})"
        )
        return [line]
    if step == "train" and result:
        streamed = [result["streamed"]["note"]] if "streamed" in result else []
        return [_chosen(result), *validation_words(result), *streamed]
    if step in ("evaluate", "retest") and result:
        main = result["metrics"][result["metric"]]
        passed = sum(g["verdict"] == "pass" for g in result["gates"])
        unit = result.get("unit", "rows").split()[-1]  # "held-out rows", "episodes"
        return [
            f"{result['metric']} {number(main['value'])} {interval(main['low'], main['high'])} "
            f"on {result['rows']:,} {unit}; {passed} of {len(result['gates'])} gates passed"
        ]
    if step == "register" and result.get("proposed"):
        return [f"version {result['version']} is registered already"]
    if step == "register" and result:
        return [f"version {result['version']}, package {result['digest'][:12]}, signed"]
    if step == "deploy" and result:
        if result["kind"] == "direct":
            return [f"direct: {result['why']}"]
        return [
            f"canary at {s['weight']:.0%}: {s['verdict']} ({s['reason']})" for s in result["steps"]
        ]
    said = step_words(step, result)
    return [said] if said else []


def _chosen(result: dict[str, Any]) -> str:
    """Which candidate training chose, and from which."""
    algorithm, candidates = result["algorithm"], result["candidates"]
    if not candidates:
        return f"version {result['version']}, {algorithm}, is proposed again"
    scored = [c for c in candidates if c["score"] is not None]
    tried = ", ".join(f"{c['algorithm']} {number(c['score'])}" for c in candidates)
    if all(c["algorithm"] == "baseline" for c in scored):
        floor = (
            f" ({result['metric']} of the baseline: {number(scored[0]['score'])})" if scored else ""
        )
        return f"{algorithm}, the only candidate, was fitted{floor}"
    if algorithm == "ensemble":  # chosen by its loss: by the metric another may stand above it
        return f"ensemble is chosen, it loses least ({result['metric']}: {tried})"
    return f"{algorithm} is best by {result['metric']} ({tried})"


def show_cycle(loop: AnyLoop, cycle: Cycle, as_json: bool) -> None:
    """The end of a cycle: gates, the comparison, the verdict."""
    if as_json:
        print_json({"cycle": cycle, "steps": loop.steps(cycle.id)})
        return
    results = {s.step: s.result or {} for s in loop.steps(cycle.id)}
    tested = results.get("evaluate") or results.get("retest") or {}
    for part in (results.get("snapshot", {}), results.get("train", {}), tested):
        for note in part.get("notes", []):
            detail(f"note: {note}")
    show_tried(results.get("probe", {}))
    if tested.get("gates"):
        show_gates(tested)
    if cycle.state == "waiting":
        heading(f"cycle {cycle.number} {waits_for(cycle, loop.words(cycle.id))}")
        for question in tested.get("asks", []):
            detail(question)
        next_step(f"everloop decision {cycle.number}", "shows everything; approve or reject then")
        return
    heading(f"cycle {cycle.number} of {cycle.loop}")
    verdict(cycle.verdict or "?", cycle.reason or "")


def show_tried(probe: dict[str, Any]) -> None:
    """The methods that the probe tried on the newest rows, and why it took which."""
    if not probe.get("tried"):
        return
    rows = []
    for one in probe["tried"]:
        name = one["method"] + (f" to version {one['version']}" if one["version"] else "")
        within = "" if one["gain"] is None else interval(one["low"], one["high"])
        taken = "taken" if one["chosen"] else one["note"]
        rows.append((name, one["window"], one["gain"], within, f"{one['seconds']:.2g} s", taken))
    table(("method", "window", "gain", "90 % interval", "time", ""), rows)
    detail(probe["method"]["why"])


def show_gates(tested: dict[str, Any]) -> None:
    """The gates' table, and every metric on the held-out rows, the champion's beside it."""
    rows = [(g["gate"], g["verdict"].replace("_", " "), g["detail"]) for g in tested["gates"]]
    table(("gate", "verdict", "evidence"), rows)
    before = tested.get("champion_metrics")
    found = [
        (name, new["value"], interval(new["low"], new["high"]))
        for name, new in tested["metrics"].items()
    ]
    if before is None:
        table(("metric", "value", "95 % interval"), found)
    else:
        beside = [(*row, before.get(row[0], {}).get("value")) for row in found]
        table(("metric", "new", "95 % interval", f"version {tested['champion']}"), beside)


def exit_code(cycle: Cycle) -> int:
    """2 for bad input, 1 when the cycle broke; a verdict against a version is not a failure."""
    return {"refused": 2, "failed": 1, "failed_gates": 1, "differs": 1}.get(cycle.verdict or "", 0)


def _progress(stage: str, facts: dict[str, Any]) -> str:
    """One short line of what a step reports while it runs."""
    if stage == "trial":
        came = _short(facts.get("score")) if facts["state"] == "complete" else facts["state"]
        return f"trial {facts['number'] + 1}: {facts['candidate']} {came}"
    return f"{stage}: " + ", ".join(f"{k} {_short(v)}" for k, v in facts.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
