"""Pages in a real browser, from the real server: a desk and a phone, light and dark."""

from __future__ import annotations

import uuid

import pytest
import story
from browsing import looking, sign_in
from playwright.sync_api import Browser

from everloop.deploy.spec import RolloutSpec
from everloop.loop.cycles import Cycle
from everloop.loop.project import Project
from everloop.update.approval import Rule
from waiting import wait_for


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (360, "dark")])
def test_runs_and_models_without_a_script(
    browser: Browser, server: str, project: Project, width: int, scheme: str
) -> None:
    for number in range(3):
        run = project.runs.start("trees", f"tree-{number}")
        for step in range(3):
            project.runs.log_metrics(run, {"auc": 0.5 + step / 10 + number / 100}, step=step)
    with looking(browser, width, scheme, scripts=False) as page:
        page.goto(server)
        page.get_by_role("link", name="Runs", exact=True).click()
        page.locator("select[name=experiment]").select_option("trees")
        page.get_by_label("filter", exact=True).fill("metrics.auc > 0.705")
        page.get_by_label("order", exact=True).fill("metrics.auc DESC")
        page.get_by_role("button", name="Find").click()
        assert page.get_by_role("link", name="tree-").all_text_contents() == ["tree-2", "tree-1"]
        page.get_by_role("link", name="tree-2").click()
        assert page.get_by_role("heading", name="tree-2").is_visible()
        assert page.get_by_role("img", name="auc").is_visible()
        page.get_by_role("link", name="Models", exact=True).click()
        assert page.get_by_role("heading", name="Models").is_visible()
        page.get_by_role("link", name="flights", exact=True).click()
        page.get_by_label("alias").fill("best")
        page.get_by_role("button", name="Point it").click()
        page.wait_for_url("**/models/flights")
        assert page.get_by_role("button", name="remove the alias best").is_visible()
        page.get_by_role("button", name="What is different?").click()
        assert page.get_by_role("heading", name="Loop file").is_visible()
        page.get_by_role("link", name="version 3").click()
        assert page.locator("#lineage li").get_by_role("link", name="flights").first.is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.goto(f"{server}/runs?filter=metrics.auc+~+1")
        assert page.get_by_role("alert").is_visible()
        assert page.get_by_label("filter", exact=True).input_value() == "metrics.auc ~ 1"


def test_an_operator_rolls_back(
    browser: Browser, server: str, project: Project, cycles: list[Cycle]
) -> None:
    project.cycles.finish(cycles[4].id, verdict="declined", reason="not now", version=3)
    rollout = project.rollouts.begin(
        "c", endpoint="flights", model="flights", spec=RolloutSpec(kind="canary"), champion=2,
        versions=[3], actor="t",
    )  # fmt: skip
    with looking(browser, 360, scripts=False) as page:
        page.goto(server)
        page.get_by_role("link", name="/endpoints/flights").click()
        assert page.get_by_role("heading", name="Endpoint flights").is_visible()
        page.get_by_label("why").first.fill("it feels slow")
        page.get_by_role("button", name="Roll back", exact=True).click()
        page.wait_for_url("**/endpoints/flights")
        assert page.get_by_text("Asked for: rollback").is_visible()
        # What serves now is taken back too: to a version that served before.
        page.get_by_label("version").select_option("1")
        page.get_by_label("why").last.fill("labels say so")
        page.get_by_role("button", name="Roll back to it now").click()
        page.wait_for_url("**/cycles/*")
        # The page loads itself again while the cycle is under way.
        page.get_by_role("heading", name="Cycle 6 of flights").wait_for()
        page.get_by_text("asked to deploy: labels say so").wait_for()
    aliases_come_and_go(browser, server, project)
    for width in (1100, 360):
        the_lineage_is_drawn(browser, server, width)
    asked = project.cycles.page("flights", limit=1)[0].cause
    assert (asked["version"], asked["rollout"]) == (1, {"kind": "direct"})
    wish = project.rollouts.get(rollout.id).wish
    assert wish is not None and (wish.do, wish.comment) == ("rollback", "it feels slow")


def aliases_come_and_go(browser: Browser, server: str, project: Project) -> None:
    """A page that looks again keeps each button with what it removes."""
    with looking(browser) as page:
        page.goto(f"{server}/models/flights")
        for alias in ("beta", "alpha"):
            project.registry.set_alias("flights", alias, 1, actor="t")
            button = page.get_by_role("button", name=f"remove the alias {alias}")
            wait_for(lambda shown=button: told(project) and shown.is_visible(), every=0.5)
        page.get_by_role("button", name="remove the alias alpha").click()
        page.get_by_text("removed from version 1").first.wait_for()
    assert {"alpha", "beta"} & project.registry.aliases("flights").keys() == {"beta"}


def told(project: Project) -> bool:
    """Something changes; a page hears of what comes after it has begun to listen."""
    project.registry.set_model_tag("flights", "seen", uuid.uuid4().hex, "t")
    return True


def the_lineage_is_drawn(browser: Browser, server: str, width: int) -> None:
    """Within the window, and the keyboard goes along it."""
    with looking(browser, width, "dark") as page:
        page.goto(f"{server}/models/flights/versions/2/lineage")
        drawn = page.locator("loop-graph svg a")
        drawn.first.wait_for()
        assert drawn.count() == page.locator("loop-graph .node").count() == 2
        assert page.locator("loop-graph .edge").count() == 1
        assert page.evaluate("document.documentElement.scrollWidth") == width
        drawn.first.focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**/endpoints/flights")


def test_a_reviewer_rejects_with_a_reason(
    browser: Browser, server: str, project: Project, cycles: list[Cycle]
) -> None:
    waiting = cycles[4].id
    project.decisions.ask(waiting, Rule(roles={"reviewer": 1, "risk": 1}))
    token = project.people.add("rita", roles=["reviewer"], actor="t").token
    with looking(browser, 360, scripts=False) as page:
        page.goto(server)
        page.get_by_role("link", name="waits for a yes from reviewer and risk").click()
        assert page.get_by_role("heading", name="flights: let version 3 serve?").is_visible()
        assert page.get_by_role("button", name="Approve").count() == 0  # nobody knows who it is
        page.locator("main").get_by_role("link", name="sign in").click()
        sign_in(page, "rita", token)
        page.wait_for_url("**/decision")
        assert page.get_by_text("You are rita (reviewer)").is_visible()
        assert page.locator("main").bounding_box()["width"] <= 360
        page.get_by_label("Why, or a remark").fill(f"Two carriers lose. {story.EVIL}")
        page.get_by_role("button", name="Reject").click()
        page.wait_for_url("**/decision")
        assert page.get_by_role("heading", name="Turned down").is_visible()
        assert page.get_by_text(f"Two carriers lose. {story.EVIL}").first.is_visible()
        assert page.get_by_text("signed, and as it was signed").is_visible()
    step = project.cycles.step(waiting, "approve")
    assert step is not None and step.result is not None
    assert step.result["end"]["reason"].startswith("Declined by http:rita. Two carriers lose.")
