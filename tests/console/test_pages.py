"""The pages and their values, over a project with a past."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import story

from everloop.console.drawing.charts import MARKS
from everloop.console.loops.cycle import read_cycle
from everloop.console.loops.overview import Overview, read_overview
from everloop.console.render import render
from everloop.console.words import ago, cause_words, number, share, span, step_words
from everloop.loop.cycles import Cycle
from everloop.loop.project import Project

SERVE = "http://127.0.0.1:5051"


def overview(project: Project, away: bool = False) -> tuple[Overview, str]:
    page = read_overview(project, SERVE, {} if away else story.traffic())
    return page, render("overview.html", page=page)


def test_a_probed_cycle_says_what_was_seen_and_found(project: Project) -> None:
    project.sync_file()
    alert = {"id": "a", "kind": "drift", "feature": "temp", "window": story.START,
             "summary": "temp drifted: 48 → 30"}  # fmt: skip
    cause = {"kind": "drift", "features": ["temp"], "reason": "temp drifted: 48 → 30",
             "situation": {"alerts": [alert], "windows": [{"rows": 1}] * 500}}  # fmt: skip
    made = project.cycles.create("flights", cause=cause, plan=["probe", "train"], actor="t")
    project.cycles.begin_step(made.id, "probe", 0)
    worth = {"metric": "roc_auc", "champion": 0.7, "challenger": 0.71, "gain": 0.01, "low": -0.02,
             "high": 0.03, "needed": 0.003, "rows": 900, "trained_rows": 90, "seconds": 1.5,
             "worth": False, "enough": True, "note": ""}  # fmt: skip
    project.cycles.finish_step(made.id, "probe", {"worth": worth})
    reason = "Not worth it: a gain of +0.0100. Seen: temp drifted: 48 → 30."
    project.cycles.finish(made.id, verdict="not_worth_it", reason=reason)
    html = render("cycle.html", page=read_cycle(project, made.id))
    for shown in ("Seen before it began", "A gain of +0.0100.</p>", "<strong>+0.0100</strong>",
                  "not worth a cycle"):  # fmt: skip
        assert shown in html, shown
    page, html = overview(project)
    assert "drift: temp · " in html
    assert len(msgspec.json.encode(page.loops[0].decided)) < 1000


def test_cycles_lead_to_the_ones_beside_them(project: Project, cycles: list[Cycle]) -> None:
    pages = [read_cycle(project, c.id) for c in (cycles[0], cycles[2], cycles[4])]
    beside = [(p.older and p.older.number, p.newer and p.newer.number) for p in pages]
    assert beside == [(None, 2), (2, 4), (4, None)]


def test_what_users_wrote_is_text(project: Project, cycles: list[Cycle]) -> None:
    pages = [overview(project)[1]]
    pages += [render("cycle.html", page=read_cycle(project, c.id)) for c in cycles[3:]]
    for html in pages:
        assert "<script>" not in html
        assert "&lt;script&gt;" in html


def test_pages_need_no_inline_style_or_script(project: Project, cycles: list[Cycle]) -> None:
    pages = [overview(project)[1], render("cycle.html", page=read_cycle(project, cycles[2].id))]
    for html in pages:
        assert not re.search(
            r"<style|<script(?! src=\"/assets/)|\sstyle=|\son\w+=|javascript:", html
        )


def test_a_cycles_page_has_the_evidence(project: Project, cycles: list[Cycle]) -> None:
    page = read_cycle(project, cycles[2].id)
    spans = [line.span for line in page.steps]
    assert [span.step for span in spans] == story.RUN
    assert all(span.state == "done" for span in spans)
    ends = [round(span.after + span.share, 9) for span in spans]
    assert ends == sorted(ends) and ends[-1] <= 1.01
    html = render("cycle.html", page=page)
    for shown in ("+0.0210", "&gt; 99.9 %", "not enough evidence", "logistic_regression",
                  "120 canary predictions", "tailnum is nearly unique"):  # fmt: skip
        assert shown in html, shown


def test_steps_that_were_never_reached(project: Project, cycles: list[Cycle]) -> None:
    rejected = {s.span.step: s.span.state for s in read_cycle(project, cycles[1].id).steps}
    assert rejected["evaluate"] == "done" and rejected["promote"] == "not_reached"
    waiting = {s.span.step: s.span.state for s in read_cycle(project, cycles[4].id).steps}
    assert waiting["approve"] == "waiting" and waiting["promote"] == "planned"
    html = render("cycle.html", page=read_cycle(project, cycles[4].id))
    assert "It waits for a yes from one person" in html
    assert f'href="/cycles/{cycles[4].id}/decision"' in html


def test_results_of_another_version_do_not_break_the_page(project: Project) -> None:
    project.sync_file()
    odd = project.cycles.create("flights", cause={"why": 1}, plan=["train", "evaluate"], actor="t")
    project.cycles.begin_step(odd.id, "train", 0)
    project.cycles.finish_step(odd.id, "train", {"unknown": True})
    project.cycles.begin_step(odd.id, "evaluate", 1)
    project.cycles.fail_step(odd.id, "evaluate", "boom <b>")
    html = render("cycle.html", page=read_cycle(project, odd.id))
    assert "boom &lt;b&gt;" in html
    assert overview(project)[0].loops[0].step == "evaluate"


def test_the_style_sheet_holds_the_charts_marks() -> None:
    sheet = Path(render.__code__.co_filename).with_name("static") / "console.css"
    assert MARKS.strip() in sheet.read_text()


def test_words() -> None:
    assert [span(s) for s in (0.004, 0.42, 42, 119, 121, 7300, 200_000)] == [
        "< 0.01 s", "0.42 s", "42 s", "119 s", "2 min", "2 h", "2 d",
    ]  # fmt: skip
    assert ago(1000, 2000) == "just now" and ago(0, 600_000) == "10 min ago"
    assert [number(v) for v in (18234, 0.6640, float("nan"), None, 5.0)] == [
        "18,234", "0.664", "–", "–", "5",
    ]  # fmt: skip
    assert [share(v) for v in (0.9999, 0.5, 0.0001, 1.0)] == [
        "> 99.9 %",
        "50.0 %",
        "< 0.1 %",
        "100.0 %",
    ]
    assert cause_words({"kind": "deploy", "version": 3}) == "asked to deploy: version 3"
    assert cause_words({"kind": "data", "source": "/a/new.csv"}) == "new data: new.csv"
    assert step_words("register", {"version": 1}) == ""
