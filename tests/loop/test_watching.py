"""Looking at real traffic and acting on it: once, and by one."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from loop_stream import T0, Traffic, carry_out, declaration, rows

from everloop.cli import command_of
from everloop.cli._api import Within
from everloop.console.endpoints.endpoint import read_endpoint
from everloop.console.loops.cycle import read_cycle
from everloop.console.monitor.endpoint import read_monitor
from everloop.console.monitor.window import read_window
from everloop.console.render import render
from everloop.data.schema import Feature, Schema
from everloop.evaluate.answers import Answers
from everloop.evaluate.fairness.by_metric import Judged, fairness
from everloop.loop.causes import changes_near
from everloop.loop.considered import last_considered, trainable_rows, trained_until
from everloop.loop.cycles import Cycle
from everloop.loop.experience import experience_of
from everloop.loop.loop import Loop
from everloop.loop.project import Project
from everloop.loop.realised import keep, read_realised
from everloop.loop.realising import realise
from everloop.loop.remote import Server
from everloop.loop.watching import Looked, look
from everloop.monitor.cause.attribution import CONCEPT
from everloop.monitor.cause.found import Cause
from everloop.monitor.spans import DAY
from everloop.monitor.suspicion import LABELS
from everloop.monitor.windows import Alert, Window
from everloop.server.app import create_app
from everloop.store.clock import now_ms
from everloop.store.tables import cycle_steps
from everloop.update.realised import Realised

DECLARED = declaration()


@pytest.fixture
def traffic(project: Project) -> Traffic:
    return Traffic(project)


def act(project: Project) -> Looked:
    return look(project, project.cycles.declaration("flow"), actor="controller")


def cycles(project: Project) -> list[Cycle]:
    """Those after the first."""
    return project.cycles.page("flow")[:-1]


def turned(traffic: Traffic, days: int = 4) -> None:
    """A quiet day, then the world turns round."""
    traffic.day(0)
    for day in range(1, days):
        traffic.day(day, moved=True, turned=True)


def test_a_quiet_stream_asks_for_nothing(project: Project, traffic: Traffic) -> None:
    for day in range(3):
        traffic.day(day)
    looked = act(project)
    assert looked.shipped == 2 * 3 * 400
    assert (looked.cycle, looked.alerts, looked.decision.action) == (None, [], "none")
    _is_told_whole(project, project.windows.page("flow", limit=1)[0])


def _is_told_whole(project: Project, window: Window) -> None:
    """The window's scores before and after its labels, on the command line and as a page."""
    performance = window.performance or {}
    expected, real = (found["metrics"] for found in (performance["expected"], performance))
    assert expected["accuracy"]["low"] < real["accuracy"]["value"] < expected["accuracy"]["high"]
    assert set(expected) == set(real) >= {"roc_auc", "brier", "calibration_error", "mcc"}
    assert real["roc_auc"]["tested_low"] < real["roc_auc"]["value"]
    assert sum(part["rows"] for part in performance["reliability"]) == 400
    assert performance["segments"]["loss"] == "share wrong"
    shown = CliRunner().invoke(command_of("window"), ["--dir", str(project.dir)])
    assert shown.exit_code == 0, shown.output
    assert "calibration_error" in shown.output and "tested" in shown.output
    assert "drift of" in shown.output and "(correlation)" in shown.output
    html = render("window.html", page=read_window(project, "flow", window.start))
    assert "calibration_error" in html and "concept shift" in html
    assert ">correlation<" in html and "<h2>Drift</h2>" in html
    _shows_groups_of_any_target(project, window)
    html = render("endpoint.html", page=read_endpoint(project, "flow", {}))
    assert f"/endpoints/flow/windows/{window.start}" in html


def _shows_groups_of_any_target(project: Project, window: Window) -> None:
    page = read_window(project, "flow", window.start)
    frame, y = pl.DataFrame({"sex": ["f", "m"] * 40}), np.arange(80) % 2
    binary = Schema((Feature("x", "number"),), "y", "binary", (0, 1))
    numbers = Schema((Feature("x", "number"),), "y", "regression")
    told = [
        msgspec.to_builtins(fairness(Judged(schema, frame, y, Answers(y)), ["sex"]))
        for schema in (binary, numbers)
    ]
    many = {"columns": ["city"], "groups": [], "note": "Too many groups."}
    assert page.window.performance is not None
    page.window.performance["fairness"] = [*told, many]
    html = render("window.html", page=page)
    assert "found of the positive" in html and "mean error" in html and many["note"] in html


def test_a_look_without_an_actor_changes_nothing(loop: Loop, traffic: Traffic) -> None:
    turned(traffic)
    looked = loop.monitor()
    assert looked.decision.action == "cycle" and looked.cycle is None
    assert cycles(loop.project) == []
    _is_explained(loop, next(a for a in looked.alerts if a.kind == "performance"))


def _is_explained(loop: Loop, alert: Alert) -> None:
    """The cause of the loss: found once and kept, in Python, on the command line and the page."""
    cause = loop.why(alert.id[:12])
    assert cause.attribution is not None
    concept = cause.attribution.part(CONCEPT)
    assert concept is not None and concept.share > 0.5, cause.sentence
    assert cause.since is not None and abs(cause.since.at - (T0 + DAY)) < DAY / 8
    near = [one.what for one in changes_near(loop.project, loop.declaration, now_ms())]
    for what in ("model.registered", "endpoint.rollout", "data version"):
        assert any(what in one for one in near), near
    assert loop.why(alert.id) == cause  # kept, its seconds too
    asked = ["why", alert.id[:12], "--dir", str(loop.project.dir)]
    shown = CliRunner().invoke(command_of("monitor"), asked)
    assert shown.exit_code == 0, shown.output
    assert cause.sentence in shown.output and "(concept)" in shown.output
    said = CliRunner().invoke(command_of("monitor"), [*asked, "--json", "--again"])
    assert msgspec.json.decode(said.stdout, type=Cause).sentence == cause.sentence
    server = Server("http://127.0.0.1:5050", transport=Within(create_app(loop.project)))
    with contextlib.closing(server):  # which has it found in another process
        assert server.loop("flow").why(alert.id) == msgspec.json.decode(said.stdout, type=Cause)
        found = server.loop("flow").why(alert.id, again=True)
    assert found.sentence == cause.sentence and loop.why(alert.id) == found
    page = read_monitor(loop.project, loop.endpoint)
    assert "is concept change" in render("monitor.html", page=page)


def test_a_world_that_turned_gets_one_new_model(project: Project, traffic: Traffic) -> None:
    turned(traffic, days=6)
    looked = act(project)
    assert looked.cycle is not None and looked.alerts
    assert looked.cycle.plan[0] == "probe" and looked.cycle.cause["probe"]
    assert {a.cycle for a in project.windows.alerts("flow")} == {looked.cycle.id}
    assert act(project).cycle is None  # one is under way
    ended = carry_out(project, looked.cycle)
    assert ended.verdict == "promoted", ended.reason
    probe = project.cycles.step(ended.id, "probe")
    assert probe is not None and probe.result is not None
    assert probe.result["worth"]["gain"] > 0.05
    champion = project.champion("flow")
    assert champion is not None and champion.version == 2
    assert champion.algorithm == "logistic_regression"
    assert trained_until(project, champion) > T0 + 5 * DAY
    after = act(project)
    assert after.cycle is None and after.decision.action == "none", after.decision.reason
    assert len(cycles(project)) == 1
    _gains_what_was_expected(project, traffic, ended)
    _is_decided_again(project, 2)


def _is_decided_again(project: Project, number: int) -> None:
    """The same by Python, the command line and the page, until somebody changes the evidence."""
    replayed = Loop(project, DECLARED).replay(number)
    assert replayed.agrees
    questions = [judged.question for judged in replayed.decisions]
    assert questions[0] == "Does anything ask for an update?" and len(questions) == 4
    at = ["--dir", str(project.dir), "--loop", "flow"]
    shown = CliRunner().invoke(command_of("replay"), [str(number), *at])
    assert shown.exit_code == 0 and "It comes out the same." in shown.output, shown.output
    html = render("cycle.html", page=read_cycle(project, replayed.cycle, again=True))
    assert "the same</span>" in html and "What it gains over" in html and "Realised: +" in html
    told = CliRunner().invoke(command_of("history"), [str(number), *at])
    assert "█" in told.output and "Realised: +" in told.output, told.output
    steps = {"cycle": replayed.cycle, "step": "probe"}
    step = project.cycles.step(**steps)
    assert step is not None and step.result is not None
    forged = msgspec.json.encode(step.result | {"worth": step.result["worth"] | {"gain": 0.5}})
    with project.db.write() as conn:
        mine = (cycle_steps.c.cycle == replayed.cycle) & (cycle_steps.c.step == "probe")
        conn.execute(cycle_steps.update().where(mine).values(result=forged.decode()))
    shown = CliRunner().invoke(command_of("replay"), [str(number), *at])
    assert shown.exit_code == 1, shown.output
    assert "weighed.gain" in shown.output and "0.5" in shown.output


def _gains_what_was_expected(project: Project, traffic: Traffic, promoted: Cycle) -> None:
    """Two more days: once their labels are there the old version is asked, once a window."""
    assert project.cycles.get(promoted.id).realised is None or _gain(project, promoted).rows == 0
    for day in (6, 7, 8):
        traffic.day(day, moved=True, turned=True)
    act(project)
    found = _gain(project, promoted)
    assert (found.version, found.replaced, found.rows) == (2, 1, 800)
    assert found.gain is not None and found.low is not None and found.low > 0.05
    assert found.expected is not None and found.expected.source == "probe"
    assert f"against version 1 on 800 rows; {found.expected.gain:+.4f} was" in found.sentence()
    told = [e for e in project.events.latest(100) if e.kind == "cycle.realised"]
    assert [e.payload["window"] for e in told] == [found.windows[1].start, found.windows[0].start]
    for _ in range(2):  # whoever comes again, or was killed after it, measures nothing twice
        realise(project, DECLARED)
        again = keep(project, promoted, found, found.windows[0].start, found.windows[0])
        assert again == found == _gain(project, promoted)
    assert Loop(project, DECLARED).status().realised == found.sentence()
    past = experience_of(project, "flow")
    assert [one.realised for one in past.updates] == [found.gain]
    assert len(past.trained) == 2 and min(one.seconds for one in past.trained) > 0


def _gain(project: Project, cycle: Cycle) -> Realised:
    found = read_realised(project.cycles.get(cycle.id))
    assert found is not None
    return found


def test_a_drift_that_does_no_harm_is_not_worth_a_model(project: Project, traffic: Traffic) -> None:
    for day in range(4):
        traffic.day(day, moved=day >= 1)
    looked = act(project)
    assert looked.cycle is not None
    ended = carry_out(project, looked.cycle)
    assert ended.verdict == "not_worth_it"
    assert "gain of" in (ended.reason or "")
    replayed = Loop(project, DECLARED).replay(ended.number)
    assert replayed.agrees and replayed.decisions[-1].answer == ended.reason
    considered, trained, _ = last_considered(project, DECLARED)
    assert considered is not None and considered.at == looked.decision.cause["at"]
    assert trained is not None and trained.at < T0  # the first cycle: this one trained nothing
    assert act(project).cycle is None
    assert project.registry.aliases("flow") == {"champion": 1}


def test_many_lookers_start_one_cycle(project: Project, traffic: Traffic) -> None:
    turned(traffic)
    others = [Project.open(project.dir) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(act, others))
    assert sum(looked.cycle is not None for looked in seen) == 1
    assert len(cycles(project)) == 1
    for other in others:
        other.close()


def test_a_broken_window_is_refused_once(project: Project, traffic: Traffic) -> None:
    traffic.day(0)
    traffic.day(1, scale=1000.0)
    traffic.day(2, scale=1000.0)  # its first rows end the second day
    looked = act(project)
    assert looked.cycle is not None
    assert (looked.cycle.verdict, looked.cycle.plan) == ("refused", [])
    replayed = Loop(project, DECLARED).replay(looked.cycle.number)
    assert replayed.agrees and replayed.decisions[0].answer == looked.cycle.reason
    assert "z" in (looked.cycle.reason or "") and "quarantine" in (looked.cycle.reason or "")
    assert [act(project).cycle for _ in range(3)] == [None] * 3
    assert len(cycles(project)) == 1
    assert project.cycles.unfinished() == []
    considered, _, _ = last_considered(project, DECLARED)
    assert considered is not None and considered.at < T0  # a refusal considers no update
    _is_told_and_released(project, looked.cycle)


def _is_told_and_released(project: Project, refused: Cycle) -> None:
    """Channels hear the verdict, once, with the command that releases; and it does."""
    rule = {"verdicts": ["refused"], "channels": ["log"]}
    monitor = {"alerts": [rule], "channels": {"log": {"kind": "file", "path": "told.jsonl"}}}
    project.cycles.save_loop(declaration(monitor=monitor), actor="t")
    for _ in range(2):
        act(project)
    assert project.alerts.courier().deliver_due() == 1
    (told,) = [msgspec.json.decode(line) for line in (project.dir / "told.jsonl").open()]
    assert told["title"].startswith("[refused] flow, cycle 2: Refused: the window from")
    assert (told["severity"], told["ended"]["act"]) == (
        "critical",
        "everloop window 2013-01-02 --release --loop flow",
    )
    assert [item["feature"] for item in told["items"]] == ["z"]
    asked = ["2013-01-02", "--release", "--comment", "new unit", "--dir", str(project.dir)]
    shown = CliRunner().invoke(command_of("window"), asked)
    assert shown.exit_code == 0 and "is released" in shown.output, shown.output
    assert not project.windows.get("flow", refused.cause["window"]).quarantined
    again = CliRunner().invoke(command_of("window"), asked)
    assert "is not in quarantine" in str(again.exception)


def test_a_model_without_the_broken_feature_serves(project: Project, traffic: Traffic) -> None:
    project.cycles.save_loop(declaration(update={"fallback": "drop"}), actor="t")
    traffic.day(0)
    traffic.day(1, scale=1000.0)
    traffic.day(2)
    looked = act(project)
    assert looked.cycle is not None and looked.cycle.cause["drop"] == ["z"]
    ended = carry_out(project, looked.cycle)
    assert ended.verdict == "promoted", ended.reason
    champion = project.champion("flow")
    assert champion is not None and champion.version == 2
    assert project.package(champion)[1].schema.names == ("x",)
    assert Loop(project, DECLARED).replay(ended.number).agrees
    after = act(project)
    assert after.cycle is None and after.decision.action == "none"
    project.cycles.save_loop(declaration(update={"fallback": "version"}), actor="t")
    traffic.day(3)
    traffic.send(rows(traffic.rng, 4, 400, False, False).with_columns(x=pl.col("x") * 1000.0))
    traffic.day(5)
    looked = act(project)  # x breaks, and no version does without it
    assert looked.cycle is not None and looked.cycle.verdict == "refused"
    assert "No version does without x." in (looked.cycle.reason or "")


def test_many_lookers_refuse_a_window_once(project: Project, traffic: Traffic) -> None:
    traffic.day(0)
    traffic.day(1, scale=1000.0)
    traffic.day(2)
    others = [Project.open(project.dir) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(act, others))
    assert sum(looked.cycle is not None for looked in seen) == 1
    assert len(cycles(project)) == 1
    for other in others:
        other.close()


def test_rows_of_a_broken_window_cannot_train(project: Project, traffic: Traffic) -> None:
    champion = project.champion("flow")
    assert champion is not None
    assert trainable_rows(project, DECLARED, champion) == 3_000
    traffic.day(0)
    traffic.day(1, scale=1000.0)
    traffic.day(2, poisoned=True)
    traffic.day(3)
    traffic.day(4)
    act(project)
    starts = [start for start, _ in project.windows.quarantined("flow")]
    assert starts == [T0 + DAY, T0 + 2 * DAY]
    (doubt,) = [a for a in project.windows.alerts("flow") if a.feature == LABELS]
    assert doubt.summary.startswith("labels contradict") and "it answers True" in doubt.summary
    assert trainable_rows(project, DECLARED, champion) == 3_000 + 800
    asked = Loop(project, DECLARED).run(wait=False)  # by a person, who is kept from it too
    carry_out(project, asked)
    snapshot = project.cycles.step(asked.id, "snapshot")
    assert snapshot is not None and snapshot.result is not None
    assert snapshot.result["rows"] == 3_000 + 800 + 400  # day 4 is not over, and sound so far
    Loop(project, DECLARED).release(starts[1], by="ana", comment="they stopped buying")
    assert trainable_rows(project, DECLARED, champion) == 3_000 + 1_200
    act(project)
    assert starts[1] not in dict(project.windows.quarantined("flow"))


def test_a_paused_loop_begins_nothing_and_an_event_asks_by_itself(
    loop: Loop, traffic: Traffic
) -> None:
    project = loop.project
    policy = {"when": ["drift and performance", "event etl"], "budget": ["2 cycles per 7d"]}
    project.cycles.save_loop(declaration(update=policy), actor="t")
    turned(traffic)
    loop.pause(by="ana", reason="audit")
    looked = act(project)
    assert looked.cycle is None and "ana has paused the loop (audit)" in looked.decision.reason
    loop.resume(by="ana")
    assert act(Project.open(project.dir)).decision.action == "cycle"


def test_the_budget_counts_cycles_that_trained(loop: Loop, traffic: Traffic) -> None:
    project = loop.project
    policy = {"when": ["event etl"], "budget": ["1 cycle per 9999d"]}
    project.cycles.save_loop(declaration(update=policy), actor="t")
    traffic.day(0)
    traffic.day(1)
    assert "none of its triggers" in act(project).decision.reason
    loop.tell("etl", "v3", by="ana")
    looked = act(project)
    assert looked.cycle is None
    assert "1 used of the budget" in looked.decision.reason
    assert "etl was told by ana (v3)" in looked.decision.reason


def test_new_files_of_the_source_ask(loop: Loop, traffic: Traffic) -> None:
    project = loop.project
    project.cycles.save_loop(declaration(update={"when": ["new data"]}), actor="t")
    traffic.day(0)
    traffic.day(1)
    assert act(project).decision.action == "none"
    with (project.dir / "rows.csv").open("a") as file:
        file.write("\n")
    decision = act(project).decision
    assert decision.action == "cycle" and decision.cause["kind"] == "new_data"


def test_after_a_cycle_alarms_cool_down(project: Project, traffic: Traffic) -> None:
    project.cycles.save_loop(declaration(update={"cooldown": "30d"}), actor="t")
    turned(traffic)
    looked = act(project)
    assert looked.cycle is None
    assert "less than 30d ago" in looked.decision.reason
    project.cycles.save_loop(declaration(update={"cooldown": "1d"}), actor="t")
    assert act(project).cycle is not None


def test_a_cycle_that_broke_is_tried_again_with_the_next_window_only(
    project: Project, traffic: Traffic
) -> None:
    turned(traffic)
    first = act(project).cycle
    assert first is not None
    project.cycles.finish(first.id, verdict="failed", reason="no memory")
    assert [act(project).cycle for _ in range(3)] == [None] * 3
    traffic.day(4, moved=True, turned=True)
    second = act(project).cycle
    assert second is not None and second.number == first.number + 1


def _scheduled(project: Project, traffic: Traffic, days: range, **update: Any) -> Cycle:
    project.cycles.save_loop(declaration(update={"when": ["every 3d"], **update}), actor="t")
    for day in days:
        traffic.day(day)
    cycle = act(project).cycle
    assert cycle is not None and cycle.cause["kind"] == "schedule"
    return carry_out(project, cycle)


def test_a_schedule_asks_without_an_alarm_and_a_probe_may_leave_it(
    project: Project, traffic: Traffic
) -> None:
    traffic.day(0)
    traffic.day(1)
    assert act(project).cycle is None
    ended = _scheduled(project, traffic, range(2, 5))
    assert ended.verdict == "not_worth_it" and "a gain of" in (ended.reason or "")
    assert [s.step for s in project.cycles.steps(ended.id)] == ["probe"]
    assert Loop(project, DECLARED).replay(ended.number).agrees
    traffic.day(5)
    assert act(project).cycle is None  # the calendar counts from there
    again = _scheduled(project, traffic, range(6, 9))
    assert again.number == ended.number + 1


def test_a_schedule_with_a_method_is_not_probed(project: Project, traffic: Traffic) -> None:
    ended = _scheduled(project, traffic, range(5), method="retrain")
    assert ended.verdict == "not_worth_it"  # by its gate: nothing has changed
    assert [s.step for s in project.cycles.steps(ended.id)][-1] == "evaluate"
    assert act(project).cycle is None


def test_own_estimators_are_probed_too(project: Project, traffic: Traffic) -> None:
    own = "sklearn.naive_bayes:GaussianNB"
    mine = declaration(train={"candidates": [own]}, evaluate={"gates": ["accuracy >= 0.6"]})
    project.cycles.save_loop(mine, actor="t")
    loop = Loop(project, mine)
    first = carry_out(project, loop.run(wait=False))
    assert first.verdict == "promoted", first.reason
    turned(traffic, days=6)
    cycle = act(project).cycle
    assert cycle is not None
    carry_out(project, cycle)
    probe = project.cycles.step(cycle.id, "probe")
    assert probe is not None and probe.result is not None
    assert probe.result["worth"]["enough"], probe.result["worth"]["note"]
