"""Stories of the pages of loops in a real browser: who comes new finds why."""

from __future__ import annotations

import pytest
import story
from browsing import looking
from playwright.sync_api import Browser

from everloop.loop.cycles import Cycle
from everloop.loop.project import Project

Told = tuple[str, Project, list[Cycle]]


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (360, "dark")])
def test_a_newcomer_finds_why_a_model_was_replaced(
    browser: Browser, told: Told, width: int, scheme: str
) -> None:
    url, _, cycles = told
    with looking(browser, width, scheme) as page:
        page.goto(url)
        assert page.title() == "flights · everloop"
        # The policy let our own style in, and no page is wider than the window.
        card = page.locator(".card").first
        assert card.evaluate("(card) => getComputedStyle(card).borderRadius") == "10px"
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.get_by_role("img", name="roc_auc in 30 windows").is_visible()
        page.get_by_role("link", name="flights", exact=True).click()
        assert page.get_by_role("img", name="The loop stands at deploy").is_visible()
        assert page.locator(".circle text.lit").text_content() == "deploy"
        assert page.get_by_role("img", name="roc_auc by window").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == width
        replaced = page.locator("details", has_text="cycle 3")
        assert replaced.get_by_text("better by 0.021").first.is_visible()
        replaced.locator("summary").click()
        # What it rests on comes once it is opened.
        replaced.get_by_role("heading", name="Measured on 5,321 held-out rows").wait_for()
        assert replaced.get_by_text("+0.0210").first.is_visible()
        assert replaced.get_by_text("120 canary predictions").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == width
        replaced.get_by_role("link", name="cycle 3 on a page of its own").click()
        assert page.get_by_role("heading", name="Cycle 3 of flights").is_visible()
        page.get_by_role("link", name="cycle 4 →").click()
        assert page.get_by_text(story.EVIL).is_visible()
        assert page.evaluate("[...document.scripts].every((s) => s.src && !s.text)")
        page.get_by_role("link", name="JSON").click()
        assert cycles[3].id in page.url and '"not_worth_it"' in page.content()


def test_the_same_without_a_script(browser: Browser, told: Told) -> None:
    url, _, cycles = told
    with looking(browser, 360, scripts=False) as page:
        page.goto(f"{url}/?name=fl")
        page.get_by_role("link", name="flights", exact=True).click()
        opened = page.locator("details", has_text="cycle 3")
        opened.locator("summary").click()
        opened.get_by_role("link", name="Steps, evidence and verdict of cycle 3").click()
        assert page.url == f"{url}/cycles/{cycles[2].id}"
        page.goto(f"{url}/endpoints/flights/monitor")
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        page.get_by_role("link", name="distance, 2013-08-12: in quarantine").click()
        assert page.get_by_role("heading", name="Window from 2013-08-12").is_visible()
