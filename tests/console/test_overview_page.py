"""The first page: what each loop is like in a word, for three loops and for many."""

from __future__ import annotations

from pathlib import Path

import msgspec
import sqlalchemy as sa
import story

from everloop.console.endpoints.traffic import Traffic
from everloop.console.loops.fleet import STATES, State
from everloop.console.loops.overview import CARDS, Asked, Overview, read_overview
from everloop.console.render import render
from everloop.deploy.endpoints import Arms
from everloop.deploy.spec import RolloutSpec
from everloop.deploy.state import Arm
from everloop.loop.cycles import Cycle
from everloop.loop.declaration import parse, to_dict
from everloop.loop.project import Project
from everloop.monitor.health import Counted
from everloop.monitor.spec import HealthSpec, MonitorSpec
from everloop.store.clock import now_ms
from everloop.store.tables import cycles as cycles_table
from everloop.store.tables import endpoints, loops

SERVE = "http://127.0.0.1:5051"


def overview(
    project: Project, traffic: dict[str, Traffic] | None = None, **asked: str
) -> tuple[Overview, str]:
    counts = story.traffic() if traffic is None else traffic
    page = read_overview(project, SERVE, counts, Asked(**asked))
    return page, render("overview.html", page=page)


def declare(project: Project, numbers: range) -> None:
    """Many loops, each with an endpoint and a cycle under way, as their stores would write them."""
    rows: dict[sa.Table, list[dict[str, object]]] = {loops: [], endpoints: [], cycles_table: []}
    arms = msgspec.json.encode(Arms([Arm(1, "ab" * 32, 1.0, "champion")])).decode()
    for name in (f"loop-{number:02d}" for number in numbers):
        text = f'[loop]\nname = "{name}"\n[data]\nsource = "d.csv"\ntarget = "y"\n'
        declared = msgspec.json.encode(to_dict(parse(text).declaration)).decode()
        rows[loops].append({"name": name, "declaration": declared, "created": 1, "updated": 1})
        rows[endpoints].append(
            {"name": name, "model": name, "rollout": arms, "revision": 1, "updated": 1}
        )
        rows[cycles_table].append(
            {"id": name, "loop": name, "number": 1, "state": "running", "cause": "{}",
             "plan": '["train"]', "started": 1}
        )  # fmt: skip
    with project.db.write() as conn:
        for table, values in rows.items():
            conn.execute(table.insert(), values)


def settle(project: Project, cycles: list[Cycle]) -> None:
    """The story without its cycle that waits: it was turned down."""
    project.cycles.finish(cycles[4].id, verdict="declined", reason="Declined by t.")


def test_a_card_says_what_it_asks_how_it_does_and_what_was_decided(
    project: Project, cycles: list[Cycle]
) -> None:
    page, html = overview(project)
    card = page.loops[0]
    assert (card.brief.state, card.step, card.waits) == (
        "waits", "approve", "waits for a yes from one person",
    )  # fmt: skip
    assert [ask.href for ask in card.brief.asks] == [f"/cycles/{cycles[4].id}/decision"]
    assert card.champion and card.champion.version == 2
    assert card.challenger and card.challenger.version == 3
    assert card.decided and card.decided.number == 4
    point = card.now
    assert point is not None and point.start == story.START + 39 * 7 * story.DAY
    for shown in (
        f"{point.value:.4f}", "0.6640 when tested", "Cycle 5 waits for a yes from one person",
        'href="/loops/flights"', "no better than version 2", "18,234", "p99 5 ms",
    ):  # fmt: skip
        assert shown in html, shown
    assert len(card.performance) == 30 and 'class="chart spark"' in html


def test_the_state_is_the_word_that_matters_most(project: Project, cycles: list[Cycle]) -> None:
    def state(words: str, href: str = "") -> State:
        page, html = overview(project)
        brief = page.loops[0].brief
        assert words in html and page.states == {brief.state: 1}
        assert not href or href in [ask.href for ask in brief.asks]
        return brief.state

    settle(project, cycles)
    assert state("18,234") == "well"
    project.pauses.pause(actor="ann", reason="a <b>fair</b>")
    assert state("a &lt;b&gt;fair&lt;/b&gt;") == "paused"
    made = project.cycles.create("flights", cause={"kind": "person"}, plan=["train"], actor="t")
    project.cycles.begin_step(made.id, "train", 0)
    assert state("train under way") == "updating"
    newest = project.windows.page("flights", limit=1)[0]
    with project.db.write() as conn:
        found = story.alert(newest.start, "performance", None, "roc_auc is 0.61")
        project.windows.save(conn, newest, [found])
    project.alerts.route("flights", MonitorSpec())
    assert state("worse than tested") == "worse"
    project.cycles.finish(made.id, verdict="failed", reason="train: no memory")
    assert state("train: no memory") == "failed"
    begun = project.rollouts.begin(
        "c", endpoint="flights", model="flights", spec=RolloutSpec(kind="canary"), champion=2,
        versions=[3], actor="t",
    )  # fmt: skip
    with project.events.transaction() as conn:
        project.rollouts.decide(conn, begun, "pause", "t", {}, state="paused")
    assert state("A person has paused its rollout", "/endpoints/flights") == "waits"
    with project.db.write() as conn:
        project.windows.save(conn, msgspec.structs.replace(newest, quarantined=True), [])
    there = f"/endpoints/flights/windows/{newest.start}"
    assert state("The newest window is in quarantine", there) == "waits"
    assert state('<span class="badge warn">paused</span>') == "waits"  # told beside it


def test_the_last_hour_is_told_by_the_minute(project: Project, cycles: list[Cycle]) -> None:
    at = now_ms() - 600_000
    counted = Counted(requests=1200, rows=1200, errors=6, slow={"5": 1200})
    project.health.add("flights", at, at + 300_000, counted, HealthSpec())
    load = overview(project)[0].loops[0].load
    assert load is not None
    assert (load.requests, load.errors, load.p99_ms, load.per_minute) == (1200, 6, 5.0, 20.0)
    assert "0.5 %" in overview(project)[1]


def test_without_requests_there_is_no_traffic(project: Project, cycles: list[Cycle]) -> None:
    settle(project, cycles)
    page, html = overview(project, {})
    assert page.loops[0].brief.state == "no_traffic"
    assert "No counts: the data plane does not answer." in html


def test_a_new_loop_teaches_the_next_command(project: Project) -> None:
    project.sync_file()
    page, html = overview(project, {})
    assert page.loops[0].brief.state == "no_model"
    for shown in ("No version serves yet", "everloop run", "everloop check", "No window yet"):
        assert shown in html
    assert "<form" not in html  # one loop needs no search


def test_no_loop_teaches_init(tmp_path: Path) -> None:
    with story.open_project(tmp_path, None) as project:
        page, html = overview(project)
    assert page.loops == []
    assert "everloop init data.csv" in html and "everloop demo" in html


def test_many_loops_cost_as_many_statements_as_three(project: Project, cycles: list[Cycle]) -> None:
    asked: list[str] = []
    sa.event.listen(
        project.db.engine, "before_cursor_execute", lambda *a: asked.append(a[2]), named=False
    )

    def many(numbers: range) -> int:
        declare(project, numbers)
        overview(project)
        asked.clear()
        overview(project)
        return len(asked)

    few = many(range(2))
    assert many(range(2, 59)) == few <= 30


def test_a_page_of_many_goes_on_and_is_searched(project: Project, cycles: list[Cycle]) -> None:
    declare(project, range(30))
    first, html = overview(project)
    assert [card.brief.loop for card in first.loops[:2]] == ["flights", "loop-00"]
    assert len(first.loops) == CARDS and first.next and "more loops" in html
    rest = overview(project, after=first.next)[0]
    names = [card.brief.loop for card in (*first.loops, *rest.loops)]
    assert len(set(names)) == len(names) == 31 and rest.next is None
    found, html = overview(project, name="OP-1", state="updating")
    assert [card.brief.loop for card in found.loops] == [f"loop-1{n}" for n in range(10)]
    assert 'value="OP-1"' in html and "all loops" in html
    nothing, html = overview(project, name="<b>")
    assert nothing.loops == [] and "No loop is like that" in html and "&lt;b&gt;" in html


def test_the_twin_is_the_same_values(project: Project, cycles: list[Cycle]) -> None:
    page, _ = overview(project)
    assert msgspec.json.decode(msgspec.json.encode(page), type=Overview).loops == page.loops
    assert set(page.states) <= set(STATES)
