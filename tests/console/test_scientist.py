"""A scientist filters, compares and shares: the table of runs in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import story
from browsing import looking, serving
from playwright.sync_api import Browser, Page, expect

from everloop.loop.project import Project

STRANGE = f"\u202eeert 🌲 {story.EVIL}"
VIEW = "best \u202e🌲 <b>"


@pytest.fixture
def trees(project: Project) -> Iterator[str]:
    """The address of a server with runs that have curves."""
    for number in range(6):
        run = project.runs.start("trees", STRANGE if number == 5 else f"tree-{number}")
        project.runs.log(run, params={"depth": str(2 + number)}, tags={"team": STRANGE})
        for step in range(4):
            project.runs.log_metrics(run, {"auc": 0.5 + number / 100 + step / 1000}, step=step)
    with serving(project.dir) as url:
        yield url


def names(page: Page) -> list[str]:
    return page.locator("#rows th a").all_text_contents()


def test_a_scientist_filters_compares_and_shares(
    browser: Browser, trees: str, project: Project
) -> None:
    with looking(browser) as page:
        page.goto(f"{trees}/runs")
        field, offer = page.get_by_label("filter", exact=True), page.get_by_role("listbox")
        field.press_sequentially("au")
        offer.get_by_text("metrics.auc").wait_for()
        field.press("ArrowDown")
        field.press("Enter")
        expect(field).to_have_value("metrics.auc ")
        offer.get_by_text(">=").wait_for()
        field.press("Escape")
        assert not offer.is_visible()
        field.press_sequentially("> 0.53")
        field.press("Enter")
        page.wait_for_url("**filter=metrics.auc*")
        assert names(page) == [STRANGE, "tree-4", "tree-3"]

        page.get_by_text("Columns", exact=True).click()
        page.get_by_role("checkbox", name="team").check()
        page.get_by_role("button", name="Show these").click()
        page.get_by_role("link", name="auc", exact=True).click()
        assert page.locator("th[aria-sort=descending]").text_content().strip() == "auc"
        assert page.locator("#rows td bdi").filter(has_text="🌲").count() == 3

        page.get_by_label("Choose tree-3").check()
        page.get_by_label("Choose tree-4").check()
        late = project.runs.start("trees", "tree-late")
        project.runs.log_metrics(late, {"auc": 0.9})
        project.runs.log_metrics(project.runs.start("trees", "seen"), {"auc": 0.8})
        page.get_by_role("link", name="tree-late").wait_for()
        assert page.get_by_label("Choose tree-4").is_checked()
        assert not page.get_by_label("Choose tree-late").is_checked()

        project.runs.finish(late)
        page.get_by_role("row", name="tree-late").get_by_text("finished").wait_for()

        page.get_by_text("Saved views").click()
        page.get_by_label("name of this view").fill(VIEW)
        page.get_by_role("button", name="Save").click()
        page.get_by_text("Saved views (1)").click()
        page.get_by_role("link", name="best").wait_for()
        shared = page.url

        page.get_by_label("Choose tree-3").check()
        page.get_by_label("Choose tree-4").check()
        page.get_by_role("button", name="Compare chosen").click()
        page.wait_for_url("**/runs/compare?runs=*")
        assert page.get_by_text("tree-3").first.is_visible()
        compared = page.url

    with looking(browser, 360, "dark", scripts=False) as page:
        page.goto(shared)
        assert names(page) == ["tree-late", "seen", STRANGE, "tree-4", "tree-3"]
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        page.goto(compared)
        assert page.get_by_text("tree-4").first.is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == 360
