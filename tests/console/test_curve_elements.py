"""The elements that draw runs, in a real browser: what is drawn, asked for, told and refused."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import story
from browsing import looking, serving
from playwright.sync_api import Browser, Page

from everloop.loop.project import Project
from everloop.tracking.artifacts.paths import key_of
from everloop.tracking.records import Point

T = 1_700_000_000_000
# What a page that somebody logged may try: to run, to reach the console, to take its place.
TRIES = b"""<!doctype html><p id="said">a report</p>
<script>document.getElementById("said").textContent = "it ran"</script>
<img src="/nothing" onerror="document.getElementById('said').textContent = 'it ran'">
<script>top.document.title = "taken"; top.location = "/taken"; fetch("/runs.json")</script>
<form action="/runs/chosen" method="post"><button>press</button></form>
<meta http-equiv="refresh" content="0;url=javascript:top.document.title='taken'">"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with story.open_project(tmp_path_factory.mktemp("curves")) as project:
        yield project


@pytest.fixture(scope="module")
def shown(told: Project) -> Iterator[str]:
    with serving(told.dir) as url:
        yield url


def logged(project: Project, name: str, count: int, rate: float) -> str:
    run = project.runs.start("sweep", name)
    points = [Point("loss", math.exp(-rate * i), T + 1000 * i, i) for i in range(count)]
    project.runs.log(run, params={"rate": rate}, points=points)
    return run


def drawn(page: Page) -> int:
    """Pixels of the canvas that something was drawn on."""
    return int(page.evaluate("""() => {
        const canvas = document.querySelector("loop-curves canvas");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return data.filter((value, i) => i % 4 === 3 && value > 0).length;
    }"""))  # fmt: skip


def test_a_zoom_asks_for_the_finer_curve(browser: Browser, told: Project, shown: str) -> None:
    run = logged(told, "long", 5000, 0.001)
    told.runs.finish(run)
    with looking(browser) as page:
        page.goto(f"{shown}/runs/{run}")
        page.get_by_text("of 5,000 points").wait_for()
        assert drawn(page) > 500
        box = page.locator("loop-curves .u-over").bounding_box()
        assert box is not None
        y = box["y"] + 50
        page.mouse.move(box["x"] + box["width"] * 0.4, y)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.5, y, steps=4)
        with page.expect_response(lambda answer: "from=" in answer.url) as finer:
            page.mouse.up()
        (curve,) = finer.value.json()["curves"]
        assert 400 < curve["points"] < 600 and curve["points"] == len(curve["step"])
        address = parse_qs(urlsplit(page.url).query)
        assert 1800 < int(address["from"][0]) < int(address["to"][0]) < 2700
        page.locator("form.view [name=log]").check()
        page.locator("loop-curves .plot").focus()
        page.keyboard.press("Home")
        page.get_by_text(f"step {curve['step'][0]:,}").wait_for()
        with page.expect_response(re.compile(r"/metrics/curves\?")) as half:
            page.keyboard.press("+")
        assert 0 < half.value.json()["curves"][0]["points"] < 0.4 * curve["points"]
        page.reload()  # the address says it all
        page.get_by_text("all of it").wait_for()
        assert page.locator("form.view [name=log]").is_checked()
        whole = re.compile(r"/metrics/curves\?(?!.*from=)")
        with page.expect_response(whole) as again:
            page.get_by_text("all of it").click()
        assert again.value.json()["curves"][0]["points"] == 5000


def test_live_points_arrive(browser: Browser, told: Project, shown: str) -> None:
    run = logged(told, "live", 20, 0.1)
    with looking(browser) as page:
        page.goto(f"{shown}/runs/{run}")
        last = page.locator("loop-curves .legend td")
        last.get_by_text(f"{math.exp(-1.9):.4g}").wait_for()
        for step in range(20, 40):
            told.runs.log_metrics(run, {"loss": 7.0 + step}, step=step, at=T + 1000 * step)
        last.get_by_text("46").wait_for()
        told.runs.finish(run)
        page.get_by_text("finished").first.wait_for()


def test_runs_are_compared_and_shared(browser: Browser, told: Project, shown: str) -> None:
    runs = [logged(told, f"run {i}", 30, 0.01 * (i + 1)) for i in range(6)]
    with looking(browser, width=360, scheme="dark") as page:
        page.goto(f"{shown}/runs/compare?runs={','.join(runs)}")
        page.locator("loop-parallel polyline").nth(5).wait_for(state="attached")
        assert page.locator("loop-scatter circle").count() == 6
        page.get_by_role("button", name="run 5").wait_for()
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
        page.locator("loop-parallel .axis").first.focus()
        for _ in range(10):
            page.keyboard.press("ArrowUp")
        page.get_by_text("3 of 6: run 3, run 4, run 5").wait_for()
        page.locator("form.view [name=smooth]").fill("0.9")
        page.wait_for_url("**smooth=0.9**")
        page.emulate_media(color_scheme="light")
        assert drawn(page) > 500


def test_without_scripts_there_are_pictures_and_tables(
    browser: Browser, told: Project, shown: str
) -> None:
    runs = [logged(told, f"plain {i}", 10, 0.1 * (i + 1)) for i in range(2)]
    with looking(browser, scripts=False) as page:
        page.goto(f"{shown}/runs/compare?runs={','.join(runs)}")
        picture = page.locator("loop-curves img")
        picture.scroll_into_view_if_needed()
        assert picture.get_attribute("alt") == "Curves of loss"
        answer = page.request.get(shown + str(picture.get_attribute("src")))
        assert answer.text().count('class="line s') == 4
        page.get_by_text("as a table").click()
        assert page.locator("loop-scatter tbody tr").count() == 2


def test_a_logged_picture_is_shown(browser: Browser, told: Project, shown: str) -> None:
    run = logged(told, "with a picture", 2, 0.1)
    svg = (
        b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><script>x()</script></svg>'
    )
    told.artifacts.put(f"{key_of(told.runs.get(run).location)}/a/p.svg", svg)
    with looking(browser) as page:
        page.goto(f"{shown}/runs/{run}?file=a/p.svg")
        page.wait_for_function("document.querySelector('img.preview').naturalWidth === 40")


def test_a_logged_page_runs_nothing(browser: Browser, told: Project, shown: str) -> None:
    run = logged(told, "with a report", 2, 0.1)
    told.artifacts.put(f"{key_of(told.runs.get(run).location)}/report.html", TRIES)
    page = browser.new_page()  # whose console tells of each thing that was refused
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    try:
        page.goto(f"{shown}/runs/{run}?file=report.html")
        frame = page.frame_locator("iframe.preview")
        assert frame.locator("#said").inner_text() == "a report"
        assert "taken" not in page.title() and "/taken" not in page.url
        assert sum("Blocked script execution" in text for text in refused) >= 2
        page.goto(f"{shown}/runs/{run}/preview/report.html")  # and by itself it is no better off
        assert page.locator("#said").inner_text() == "a report"
        assert page.evaluate("window.origin") == "null"
    finally:
        page.close()
