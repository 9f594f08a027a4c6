"""Every page lets everybody in, fits a phone, needs no script, and shows text as text."""

from __future__ import annotations

from itertools import pairwise

import axe
import pytest
from browsing import looking
from places import ELSEWHERE, address, more, pages
from playwright.sync_api import Browser, Page

from everloop.loop.cycles import Cycle
from everloop.loop.project import Project
from everloop.server.routes import ROUTES

Told = tuple[str, Project, list[Cycle]]
Places = tuple[str, dict[str, str]]
LEVELS = "(found) => found.filter((h) => h.checkVisibility()).map((h) => +h.localName[1])"
# What a page is wide once charts have seen that the window is another.
WIDTH = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() =>
    setTimeout(() => done(document.documentElement.scrollWidth)))))"""


@pytest.fixture(scope="module")
def places(told: Told) -> Places:
    """The server's address, and where on it each page is."""
    url, project, cycles = told
    names = more(project)
    return url, {path: address(path, names, cycles) for path in pages()}


def test_every_page_is_looked_at() -> None:
    assert set(ELSEWHERE) <= {route.path for route in ROUTES}
    assert len(pages()) > 20


def test_no_page_keeps_anybody_out_or_is_too_wide(browser: Browser, places: Places) -> None:
    url, found = places
    wrong: list[str] = []
    with looking(browser, 1280) as page:
        page.add_init_script(axe.source())
        for path, place in found.items():
            answer = page.goto(url + place)
            assert answer is not None and answer.status == 200, place
            page.set_viewport_size({"width": 360, "height": 800})
            width = page.evaluate(WIDTH)
            wrong += [f"{path}: {width} pixels wide on a phone"] if width > 360 else []
            page.set_viewport_size({"width": 1280, "height": 800})
            wrong += [f"{path}: {one}" for one in axe.violations(page)]
            page.emulate_media(color_scheme="dark")
            wrong += [f"{path}, dark: {one}" for one in axe.violations(page, "color-contrast")]
            page.emulate_media(color_scheme="light")
            assert page.locator("main script, main b b").count() == 0, place
            assert page.evaluate("[...document.scripts].every((s) => s.src && !s.text)"), place
        assert wrong == [], "\n".join(wrong)


def test_every_page_says_what_it_has_to_without_a_script(browser: Browser, places: Places) -> None:
    url, found = places
    titles: dict[str, str] = {}
    with looking(browser, 1280, scripts=False) as page:
        for path, place in found.items():
            page.goto(url + place)
            titles.setdefault(page.title(), path)
            assert page.locator("main h1").count() == 1, place
            assert page.locator("main h1").is_visible(), place
            assert len(page.locator("main").inner_text()) > 40, place
            levels = page.locator("main :is(h1, h2, h3, h4)").evaluate_all(LEVELS)
            steps = [b - a for a, b in pairwise(levels)]
            assert max(steps, default=0) <= 1, (place, levels)
    assert len(titles) > len(found) - 4, titles


# -- by the keyboard alone -------------------------------------------------------------------------


def tab_to(page: Page, text: str, most: int = 120) -> None:
    """Press Tab until what has the focus is called so."""
    for _ in range(most):
        page.keyboard.press("Tab")
        name = page.evaluate(
            "(document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim()"
        )
        if text in name:
            return
    raise AssertionError(f"{text!r} was not reached")


def test_an_approval_by_the_keyboard_alone(browser: Browser, told: Told, places: Places) -> None:
    url, project, cycles = told
    with looking(browser, 1100) as page:
        page.goto(url)
        tab_to(page, "Skip to content", 1)
        page.keyboard.press("Enter")
        tab_to(page, "waits for a yes")
        page.keyboard.press("Enter")
        page.wait_for_url("**/decision")
        tab_to(page, "Why, or a remark")
        page.keyboard.type("It is better where it counts.")
        tab_to(page, "Approve", 3)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Approved").wait_for()
        page.get_by_text("It is better where it counts.").first.wait_for()
    assert project.cycles.get(cycles[4].id).state == "running"


def test_a_search_from_any_page_by_the_keyboard(browser: Browser, places: Places) -> None:
    url, _ = places
    with looking(browser, 1100) as page:
        page.goto(f"{url}/alerts")
        page.keyboard.press("/")
        field = page.get_by_role("combobox")
        field.wait_for()
        page.keyboard.type("flights")
        page.get_by_role("option").first.wait_for()
        assert field.get_attribute("aria-expanded") == "true"
        chosen = page.locator("[aria-selected=true]")
        first = chosen.get_attribute("id")
        assert field.get_attribute("aria-activedescendant") == first
        page.keyboard.press("ArrowDown")
        assert chosen.get_attribute("id") != first
        assert page.locator("dialog bdi b, dialog script").count() == 0
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
        page.wait_for_url("**/loops/flights")
        page.keyboard.press("Control+k")
        assert page.get_by_role("dialog").is_visible()
        page.keyboard.press("Escape")
        assert page.get_by_role("dialog").count() == 0
