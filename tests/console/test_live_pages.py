"""An open page follows what happens, and leaves alone what a person is at."""

from __future__ import annotations

from playwright.sync_api import Page

from everloop.loop.cycles import Cycle
from everloop.loop.project import Project


def test_the_overview_follows_and_keeps_focus_and_scroll(
    page: Page, server: str, project: Project, cycles: list[Cycle]
) -> None:
    page.set_viewport_size({"width": 900, "height": 500})
    page.goto(server)
    page.get_by_role("link", name="cycle 1", exact=True).focus()
    page.evaluate("scrollTo(0, 300)")
    assert page.get_by_text("nobody is here").count() == 0
    project.pauses.pause("flights", actor="someone", reason="nobody is here")
    page.get_by_text("nobody is here").first.wait_for()
    assert page.evaluate("document.activeElement.textContent") == "cycle 1"
    assert page.evaluate("scrollY") == 300
