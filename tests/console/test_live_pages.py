"""An open page follows what happens, and leaves alone what a person is at."""

from __future__ import annotations

from playwright.sync_api import Page

from everloop.loop.cycles import Cycle
from everloop.loop.project import Project

PLACE = "document.activeElement.getBoundingClientRect().top"  # on the screen


def test_a_loop_is_followed_and_focus_scroll_and_what_was_opened_stay(
    page: Page, server: str, project: Project, cycles: list[Cycle]
) -> None:
    page.set_viewport_size({"width": 900, "height": 500})
    page.goto(f"{server}/loops/flights")
    opened = page.locator(f"#cycle-{cycles[2].id}")
    opened.locator("summary").click()
    opened.get_by_text("120 canary predictions").wait_for()
    page.get_by_label("why").fill("half a wo")
    page.locator("summary", has_text="cycle 1").focus()
    page.evaluate("scrollTo(0, 900)")
    before = page.evaluate(PLACE)
    assert page.get_by_text("nobody is here").count() == 0
    project.pauses.pause("flights", actor="someone", reason="nobody is here")
    page.get_by_text("nobody is here").first.wait_for()
    assert page.evaluate("document.activeElement.parentElement.id") == f"cycle-{cycles[0].id}"
    assert abs(page.evaluate(PLACE) - before) < 2  # the page grew above it
    assert page.get_by_label("why").input_value() == "half a wo"
    assert opened.get_by_text("120 canary predictions").is_visible()
    page.goto(server)
    page.get_by_role("link", name="flights", exact=True).focus()
    project.pauses.resume("flights", actor="someone")
    page.get_by_text("nobody is here").first.wait_for(state="hidden")
    assert page.evaluate("document.activeElement.textContent") == "flights"
