"""Cycles of Python-declared loops, run in this process."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from loop_stream import Traffic, carry_out, declaration, running, write_rows

import everloop as el
from everloop.deploy.rollouts import Wish
from everloop.deploy.serving.standing import Standing, write_standing
from everloop.errors import Conflict, InvalidInput
from everloop.loop.cycles import Cycle
from everloop.loop.engine import Engine
from everloop.loop.lock import is_free
from everloop.loop.loop import Loop, loop_of, loops_of
from everloop.loop.project import Project
from everloop.loop.steps import StepContext
from everloop.loop.steps.register import Register
from everloop.monitor.spans import DAY
from everloop.store.clock import now_ms
from everloop.store.leases import LeaseStore
from everloop.store.tables import log_parts
from waiting import wait_for


def run(loop: Loop) -> Cycle:
    return carry_out(loop.project, loop.run(wait=False))


def again(project: Project, **sections: object) -> Loop:
    """The loop, declared otherwise."""
    changed = declaration(**sections)  # type: ignore[arg-type]
    project.cycles.save_loop(changed, actor="t")
    return Loop(project, changed)


ANY = {"metric": "accuracy", "gates": ["accuracy >= 0.6"]}
CANARY = {"rollout": {"kind": "canary", "steps": [0.5, 1.0], "hold": "60s", "min_requests": 10**6}}


def test_a_loop_declared_in_python_is_the_projects(folder: Path) -> None:
    loop = el.declare(folder, declaration())
    with loop.project as project:
        assert [found.name for found in loops_of(project)] == ["flow"]
        status = loop.status()
        assert (status.stage, status.step, status.waiting) == ("monitor", None, None)
        assert status.champion is not None and status.champion.version == 1
        assert status.champion.metric == "accuracy" and status.champion.value > 0.8
        assert [(arm["version"], arm["role"]) for arm in status.arms] == [(1, "champion")]
        assert status.challenger is None and status.serving is False
        assert [s.step for s in loop.steps(loop.history()[0].id)] == loop.history()[0].plan


def test_an_unknown_word_begins_no_cycle(project: Project) -> None:
    with pytest.raises(InvalidInput, match="lightgbm"):
        again(project, train={"candidates": ["lightgmb"]}).run()
    assert len(project.cycles.page("flow")) == 1


def test_a_person_says_yes(project: Project) -> None:
    loop = again(project, evaluate=ANY, update={"approval": "human"})
    cycle = run(loop)
    assert (cycle.state, cycle.finished) == ("waiting", None)
    status = loop.status()
    assert (status.waiting, status.step, status.stage) == (cycle.id, "approve", "deploy")
    assert status.challenger is not None and status.challenger.version == 2
    with pytest.raises(Conflict, match="waits for a person"):
        loop.run()
    said = loop.decide(cycle.id, approved=True, by="ann")
    ended = carry_out(project, said)
    assert (ended.verdict, ended.version) == ("promoted", 2)
    assert project.registry.aliases("flow") == {"champion": 2}
    assert all(step.attempts == 1 for step in loop.steps(cycle.id))
    with pytest.raises(Conflict, match="does not wait"):
        loop.decide(cycle.id, approved=False, by="bob")


def test_a_person_says_no(project: Project) -> None:
    loop = again(project, evaluate=ANY, update={"approval": "human"})
    cycle = run(loop)
    ended = carry_out(
        project, loop.decide(cycle.id, approved=False, by="bob", comment="Not today.")
    )
    assert (ended.verdict, ended.reason) == ("declined", "Declined by bob. Not today.")
    # A version that was turned down is no challenger any more.
    assert project.registry.aliases("flow") == {"champion": 1}
    assert [arm.version for arm in project.endpoints.get("flow").arms] == [1]


def test_a_cycle_that_waits_survives_a_restart_and_is_carried_on_once(project: Project) -> None:
    loop = again(project, evaluate=ANY, update={"approval": "human"})
    with running(project) as engine:
        cycle = engine.wait(loop.run(wait=False).id)
        for _ in range(3):
            engine.pick_up()
        assert project.cycles.get(cycle.id).state == "waiting"
        loop.decide(cycle.id, approved=True, by="ann")
        assert engine.wait(cycle.id).verdict == "promoted"
    assert len(project.registry.versions("flow")) == 2


def test_the_same_rows_again_are_not_worth_it(loop: Loop) -> None:
    cycle = run(loop)
    assert cycle.verdict == "not_worth_it"
    assert "champion" in (cycle.reason or "")
    assert loop.project.registry.aliases("flow") == {"champion": 1}


def test_a_version_that_is_deployed_again_is_the_way_back(project: Project) -> None:
    loop = again(project, evaluate=ANY)
    assert run(loop).version == 2
    back = carry_out(project, loop.deploy(1, wait=False))
    assert (back.verdict, back.reason) == (
        "promoted",
        "Version 1 was chosen by a person in place of version 2.",
    )
    assert project.registry.aliases("flow") == {"champion": 1}
    tested = carry_out(project, loop.test(wait=False))
    assert tested.verdict == "passed"


def test_a_champion_of_other_columns_is_not_compared_with_and_blocks_nothing(
    project: Project,
) -> None:
    """A feature that the loop file leaves out must not make every later cycle fail."""
    loop = again(project, data={"ignore": ["z"]})
    cycle = run(loop)
    assert cycle.verdict == "not_worth_it"
    assert "version 1 cannot answer these rows" in (cycle.reason or "")
    trained = carry_out(project, loop.train(wait=False))
    assert trained.verdict == "registered", trained.reason
    assert carry_out(project, loop.deploy(2, wait=False)).verdict == "promoted"
    # The rows are the same, so the next one is compared again.
    compared = carry_out(project, loop.run(wait=False))
    assert "cannot answer" not in (compared.reason or "")


def test_a_broken_source_refuses_the_cycle_and_touches_nothing(loop: Loop) -> None:
    (loop.project.dir / "rows.csv").write_text("")
    cycle = run(loop)
    assert cycle.verdict == "refused" and "snapshot" in (cycle.reason or "")
    step = loop.project.cycles.step(cycle.id, "snapshot")
    assert step is not None and step.state == "failed" and "rows.csv" in (step.error or "")
    assert loop.project.registry.aliases("flow") == {"champion": 1}


def test_an_update_without_a_champion_says_what_to_do(tmp_path: Path) -> None:
    write_rows(tmp_path)
    loop = el.declare(tmp_path, declaration())
    with loop.project as project:
        looked = loop.update()
        assert not isinstance(looked, Cycle) and looked.cycle is None
        assert "no champion yet" in looked.decision.reason
        cycle = loop.update(str(tmp_path / "rows.csv"), wait=False)
        assert isinstance(cycle, Cycle)
        ended = carry_out(project, cycle)
        assert ended.verdict == "refused" and "everloop train" in (ended.reason or "")


def test_labels_of_the_log_train_but_not_those_of_quarantined_windows(project: Project) -> None:
    loop = again(project, evaluate=ANY)
    traffic = Traffic(project)
    traffic.day(0)
    traffic.day(1, scale=1000.0)
    traffic.day(2)
    looked = loop.monitor()
    assert looked.shipped == 2 * 3 * 400
    cycle = run(loop)
    snapshot = project.cycles.step(cycle.id, "snapshot")
    assert snapshot is not None and snapshot.result is not None
    (window,) = snapshot.result["origin"]["quarantined"]
    assert window[1] - window[0] == DAY
    assert snapshot.result["origin"]["log_rows"] == 2 * 400
    assert snapshot.result["rows"] == 3_000 + 2 * 400


def test_two_loops_share_a_project_and_not_an_endpoint(project: Project) -> None:
    other = Loop(project, declaration("other"))
    with pytest.raises(Conflict, match=r"deploy\.endpoint"):
        el.declare(project.dir, declaration("third", deploy={"endpoint": "flow"}))
    project.cycles.save_loop(other.declaration, actor="t")
    first = Loop(project, declaration())
    cycles = [first.run(wait=False), other.run(wait=False)]
    with running(project) as engine:
        ended = [engine.wait(cycle.id).verdict for cycle in cycles]
    assert ended == ["not_worth_it", "promoted"]
    assert [e.name for e in project.endpoints.all()] == ["flow", "other"]
    assert loop_of(project, "other").status().champion is not None


# -- engines that come and go --------------------------------------------------------------------


@pytest.fixture
def canary(project: Project) -> Loop:
    """Version 2 is registered, and a data plane seems to run that applies everything."""
    loop = again(project, evaluate=ANY, deploy=CANARY)
    assert carry_out(project, loop.train(wait=False)).verdict == "registered"
    write_standing(project.serving_dir, Standing(os.getpid(), "http://localhost", 10**6))
    return loop


def weights(project: Project) -> list[float]:
    return [arm.weight for arm in project.endpoints.get("flow").arms]


def test_an_engine_that_closes_leaves_the_cycle_to_the_next_one(canary: Loop) -> None:
    project = canary.project
    cycle = canary.deploy(2, wait=False)
    before = threading.active_count()
    with running(project):
        wait_for(lambda: weights(project) == [0.5, 0.5])
    wait_for(lambda: threading.active_count() <= before)  # no thread holds the process up
    left = project.cycles.get(cycle.id)
    assert (left.state, left.finished) == ("running", None)
    assert weights(project) == [0.5, 0.5]
    rollout = project.rollouts.of_cycle(cycle.id)
    assert rollout is not None and (rollout.state, rollout.stage) == ("running", 0)
    project.rollouts.ask(rollout.id, Wish("promote", "me", "sure"))
    assert carry_out(project, left).verdict == "promoted"
    assert project.rollouts.get(rollout.id).reason == "decided by me: sure"
    assert [(a.version, a.weight) for a in project.endpoints.get("flow").arms] == [(2, 1.0)]


def test_a_rollout_that_breaks_gives_the_champion_its_traffic_back(canary: Loop) -> None:
    project = canary.project
    cycle = canary.deploy(2, wait=False)
    with running(project) as engine:
        wait_for(lambda: weights(project) == [0.5, 0.5])
        # A part of the log is lost: nobody can count any more.
        Traffic(project).day(0, at=now_ms())
        project.log.ship()
        with project.db.write() as conn:
            newest = sa.select(log_parts).order_by(log_parts.c.part.desc()).limit(1)
            part = dict(conn.execute(newest).one()._mapping)
            # It counts as new to a rollout whose step begins a moment later, too.
            new = {"part": part["part"] + 1, "created": now_ms() + 60_000}
            lost = part | new | {"digest": "f" * 64}
            conn.execute(sa.insert(log_parts), lost)
        ended = engine.wait(cycle.id)
    assert ended.verdict == "failed" and "deploy" in (ended.reason or "")
    assert [(a.version, a.weight) for a in project.endpoints.get("flow").arms] == [(1, 1.0)]
    assert project.registry.aliases("flow")["champion"] == 1


def test_whoever_follows_a_cycle_takes_over_when_its_process_ends(project: Project) -> None:
    """Also a cycle that the other process has never seen."""
    loop = again(project, evaluate=ANY)
    other = Engine(Project.open(project.dir), "inline")
    other.launch()
    assert not is_free(project)
    ended: list[Cycle] = []
    follower = threading.Thread(target=lambda: ended.append(loop.run()))
    follower.start()
    wait_for(lambda: project.cycles.unfinished() != [])
    with pytest.raises(Conflict, match="another process"):
        Engine(project, "inline").launch()
    other.close()
    follower.join(600)
    assert [cycle.verdict for cycle in ended] == ["promoted"]
    assert is_free(project)


def test_traffic_is_moved_by_a_controller_that_sees_it(project: Project) -> None:
    loop = again(project, evaluate=ANY)
    elsewhere = LeaseStore(project.db, "other:1", "other:", 60)
    plane = elsewhere.take("plane/other")
    assert plane is not None
    cycle = loop.run(wait=False)

    def left_at() -> str | None:
        done = [s.step for s in loop.steps(cycle.id) if s.state == "done"]
        free = f"loop/{loop.name}" not in elsewhere.living("loop/")
        return done[-1] if free and done else None

    with running(project) as engine:
        wait_for(lambda: left_at() == "approve")
        engine.pick_up()
        assert left_at() == "approve"
        elsewhere.drop(plane)  # it has ended, and nobody sees any traffic
        assert engine.wait(cycle.id).verdict == "promoted"
    assert all(step.attempts == 1 for step in loop.steps(cycle.id))


def test_an_engine_that_cannot_launch_frees_the_folder(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = Engine(project, "inline")
    (project.state / "workflows.db").unlink(missing_ok=True)
    (project.state / "workflows.db").mkdir()
    with pytest.raises(Exception, match="unable to open"):
        bad.launch()
    assert is_free(project)
    (project.state / "workflows.db").rmdir()
    with running(project):
        assert not is_free(project)


def test_predictions_do_not_change_with_the_way_of_running(project: Project) -> None:
    """What the worker process makes is what this process makes: the package has one digest."""
    loop = again(project, evaluate=ANY)
    in_worker, here = loop.run(), run(loop)
    versions = [project.registry.version("flow", c.version or 0) for c in (in_worker, here)]
    assert versions[0].dataset == versions[1].dataset
    first, second = (project.package(v)[0] / "model.onnx" for v in versions)
    assert first.read_bytes() == second.read_bytes()


def test_a_cycle_begun_before_training_profiled_is_registered_all_the_same(
    project: Project,
) -> None:
    """A step's result is read as it was recorded, also by an everloop that records more."""
    champion = project.registry.alias("flow", "champion")
    before = project.registry.version("flow", champion or 0)
    steps = {s.step: s.result or {} for s in project.cycles.steps(before.cycle or "")}
    files = dict(steps["train"].pop("about_training"))
    context = StepContext(
        project, project.cycles.get(before.cycle or ""), project.cycles.declaration("flow"), steps
    )
    assert Register().run(context).result["digest"] == before.digest
    assert before.files["background.npy"] == files["background.npy"]
