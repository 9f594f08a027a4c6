"""A real server over a folder, and a real browser's page in which nothing goes wrong unseen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page

from everloop.server.child import answers_ready
from ports import free_port
from waiting import wait_for

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[str]:
    """A control plane over a folder, as a process; gives its address."""
    port = free_port()
    command = [sys.executable, "-m", "everloop.server", "--dir", str(folder),
               "--port", str(port), "--no-controller", *arguments]  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EVERLOOP_")}
    process = subprocess.Popen(command, env=environment)
    try:
        wait_for(lambda: answers_ready(("127.0.0.1", port)) or process.poll() is not None)
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()


@contextmanager
def looking(
    browser: Browser,
    width: int = 1100,
    scheme: str = "light",
    *,
    scripts: bool = True,
) -> Iterator[Page]:
    """A page of a browser of its own, in which nothing may go wrong unseen."""
    said: list[str] = []
    context: BrowserContext = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=scripts,
    )
    page = context.new_page()
    page.on("console", lambda message: _refused(message.text) or said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.set_default_timeout(15_000)
    yield page
    context.close()
    assert said == [], said


def sign_in(page: Page, name: str, token: str) -> None:
    """Fill in the form that the page shows, as a person does."""
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()


def _refused(text: str) -> bool:
    """Whether it only says that an answer was a refusal, which tests ask for themselves."""
    return any(f"status of {status}" in text for status in (401, 404, 422))
