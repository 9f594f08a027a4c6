"""The monitor: each cell says what was found there, and pages lead to each other."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import story
from starlette.testclient import TestClient

from everloop.console.loops.loop import read_loop
from everloop.console.loops.overview import read_overview
from everloop.console.monitor.alerts import read_alert_page, read_alerts_page
from everloop.console.monitor.endpoint import Asked, MonitorPage, read_monitor
from everloop.console.monitor.heat import WINDOWS, read_heat
from everloop.console.render import render
from everloop.errors import EverloopError, InvalidInput
from everloop.loop.cycles import Cycle
from everloop.loop.loop import loop_of
from everloop.loop.project import Project
from everloop.monitor.spec import MonitorSpec
from everloop.server.app import create_app
from everloop.settings import Settings

Past = tuple[Project, list[Cycle]]


def week(number: int) -> int:
    return story.START + 7 * number * story.DAY


def test_cells_say_what_was_found_and_pages_go_back_in_time(past: Past) -> None:
    project, _ = past
    heat = read_heat(project.db, "flights")
    assert [w.start for w in heat.windows] == [week(n) for n in range(16, 40)]
    rows = {row.name: row for row in heat.rows}
    assert list(rows) == ["score", "labels, %", "temp", "distance", "origin"]

    def marks(name: str) -> dict[int, str]:
        return {n + 16: c.mark for n, c in enumerate(rows[name].cells) if c and c.mark}

    assert marks("temp") == {n: "far" if n > 30 else "drift" for n in range(21, 40)}
    assert marks("distance") == {31: "quarantine"} and marks("origin") == {38: "within"}
    assert marks("score") == {18: "worse", 29: "worse"}
    levels = [cell.level for cell in rows["temp"].cells if cell]
    assert levels == sorted(levels) and (levels[0], levels[-1]) == (3, 4)
    older = read_heat(project.db, "flights", heat.before)
    assert [w.start for w in older.windows] == [week(n) for n in range(16)]
    assert (older.before, older.newer, heat.newer) == (None, 0, None)
    assert len(older.windows) < WINDOWS


def test_the_page_links_what_alarmed_and_shows_one_feature(past: Past) -> None:
    project, _ = past
    page = read_monitor(project, "flights")
    html = render("monitor.html", page=page)
    where = f'<a href="/endpoints/flights/windows/{week(31)}"'
    for shown in (
        f'{where} class="quarantine"', 'aria-label="distance, 2013-08-12: in quarantine"',
        'aria-label="temp, 2013-08-12: drift that calls for an update"', "median 48 → 30",
        'href="?feature=temp#looked"', f'href="?before={week(16)}#heat"', "roc_auc by window",
        "profile: none is kept",
    ):  # fmt: skip
        assert shown in html, shown
    one = read_monitor(project, "flights", Asked(feature="temp", window=str(week(25))))
    assert one.row is not None and one.looked is not None and one.looked.start == week(25)
    assert "effect 0.62 of 1" in render("monitor.html", page=one)
    assert msgspec.json.decode(msgspec.json.encode(one), type=MonitorPage).heat == one.heat
    with pytest.raises(InvalidInput, match=r"query\.window"):
        read_monitor(project, "flights", Asked(window="x"))
    with pytest.raises(EverloopError, match="no endpoint"):
        read_monitor(project, "nowhere")


def test_postgresql_says_the_same(pg_url: str, tmp_path: Path, past: Past) -> None:
    other, _ = past
    (tmp_path / "everloop.toml").write_text(story.LOOP_FILE)
    with Project.open(tmp_path, Settings(database_url=pg_url)) as project:
        story.tell(project)
        pages = []
        for one in (other, project):
            loop = loop_of(one, "flights")
            seen = read_loop(one, loop, story.traffic())
            card = read_overview(one, "http://x", story.traffic()).loops[0]
            pages.append((
                card.brief.state, card.performance, card.load, card.step, card.waits,
                seen.card.performance, [bar.verdict for bar in seen.bars], seen.declared,
                read_monitor(one, "flights").heat,
            ))  # fmt: skip
    assert pages[0] == pages[1]


@pytest.fixture
def ask(project: Project, cycles: list[Cycle]):
    app = create_app(project, serve_url="http://127.0.0.1:9")  # nothing listens there
    program = {"authorization": "Bearer none"}  # needs no token of a page in its forms
    return TestClient(
        app, base_url="http://127.0.0.1:5050", headers=program, follow_redirects=False
    )


def test_alerts_say_what_was_done_and_loops_obey_their_buttons(
    project: Project, cycles: list[Cycle], ask
) -> None:
    alerts = project.windows.alerts("flights", kind="performance")  # of weeks 29, 18 and 7
    like = story.alert(week(35), "quality", "temp", "temp is stuck")
    broken = project.windows.alerts("flights", kind="quality")[0]  # of distance, before it
    with project.db.write() as conn:
        project.windows.add(conn, like)
        project.windows.link(conn, [alerts[0].id, broken.id], cycles[2].id)
    project.alerts.route("flights", MonitorSpec())
    page = read_alerts_page(project, "", "flights")
    assert [d.number for d in page.done.values()] == [3]
    html = render("alerts.html", page=page)
    assert f'<a href="/cycles/{cycles[2].id}">cycle 3</a>' in html and "promoted" in html
    assert read_alerts_page(project, "", "elsewhere").alerts == []
    first = alerts[1]
    detail = read_alert_page(project, first.id)  # an alert leads to what it belongs to
    assert first.id in [one.id for one in detail.found.alerts]
    html = render("alert.html", page=read_alert_page(project, like.id))
    assert "Earlier ones like it" in html and f'href="/alerts/{broken.id}"' in html
    assert f'<a href="/cycles/{cycles[2].id}">cycle 3</a>' in html

    project.cycles.finish(cycles[4].id, verdict="declined", reason="no")
    steps = [("pause", "loop.paused"), ("resume", "loop.resumed"), ("run", "cycle.started")]
    for do, kind in steps:
        told = ask.post("/loops/flights", data={"do": do, "comment": "now <b>"})
        assert (told.status_code, told.headers["location"]) == (303, "/loops/flights")
        assert project.events.latest(1)[0].kind == kind
    begun = project.cycles.page("flights", limit=1)[0]
    assert begun.cause["comment"] == "now <b>"
    assert "train" not in ask.get("/loops/flights").text.split("As declared")[1].split("[data]")[0]
    assert ask.post("/loops/nowhere", data={"do": "run"}).status_code == 404
    none = ask.post(f"/cycles/{cycles[4].id}/decision", data={"do": "reject", "comment": " "})
    assert none.status_code == 422 and "a reason" in none.text


def test_a_loops_page_is_paged_and_tells_its_changes(project: Project, cycles: list[Cycle]) -> None:
    project.cycles.finish(cycles[4].id, verdict="declined", reason="no")
    for number in range(25):
        made = project.cycles.create("flights", cause={"kind": "person"}, plan=[], actor="t")
        project.cycles.finish(made.id, verdict="rejected", reason=f"reason {number}")
    (project.dir / "everloop.toml").write_text(
        story.LOOP_FILE + 'cooldown = "3d"\n[train]\ncandidates = ["lightgbm"]\n'
    )
    loop = loop_of(project)
    page = read_loop(project, loop, {})
    assert [p.line.number for p in page.cycles] == list(range(30, 10, -1)) and page.before == 11
    assert len(page.bars) == 30 and page.controllers.living == []
    assert [change.first for change in page.changes] == [False, True]
    assert page.changes[0].what == [
        "train.candidates: nothing → [\"lightgbm\"]", "update.cooldown: 0s → 3d",
    ]  # fmt: skip
    older = read_loop(project, loop, {}, page.before)
    assert [p.line.number for p in older.cycles] == list(range(10, 0, -1))
    assert older.before is None and not older.newest
    html = render("loop.html", page=page)
    for shown in ('href="/loops/flights?before=11#cycles"', "cooldown = &#34;3d&#34;",
                  "No controller lives", 'role="group" aria-label="30 cycles'):  # fmt: skip
        assert shown in html, shown
