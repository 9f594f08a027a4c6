"""The overview in a real browser, from the real server: a desk and a phone, light and dark."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import story

from everloop.loop.cycles import Cycle
from everloop.loop.project import Project
from everloop.server.bind import claim_port

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


@pytest.fixture
def server(project: Project, cycles: list[Cycle]) -> Iterator[str]:
    port = claim_port("127.0.0.1", 0, "--port")
    command = [sys.executable, "-m", "everloop.server", "--dir", str(project.dir),
               "--port", str(port), "--no-controller"]  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EVERLOOP_")}
    process = subprocess.Popen(command, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                if httpx.get(f"{url}/ready").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (360, "dark")])
def test_the_overview(server: str, width: int, scheme: str, tmp_path: Path) -> None:
    api = pytest.importorskip("playwright.sync_api")
    said: list[str] = []
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=True
        )
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(server)
        assert page.title() == "flights · everloop"
        # The policy let our own style in, and no page is wider than the window.
        assert (
            page.evaluate("getComputedStyle(document.querySelector('.card')).borderRadius")
            == "10px"
        )
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.get_by_role("img", name="The loop stands at deploy").is_visible()
        assert page.get_by_role("img", name="roc_auc by window").is_visible()
        assert page.locator(".circle text.lit").text_content() == "deploy"
        page.get_by_role("link", name="cycle 4", exact=True).click()
        assert page.get_by_role("heading", name="Cycle 4 of flights").is_visible()
        assert page.get_by_text(story.EVIL).is_visible()
        assert page.evaluate("document.scripts.length") == 0
        page.get_by_role("link", name="JSON").click()
        assert '"not_worth_it"' in page.content()
        browser.close()
    assert said == []
