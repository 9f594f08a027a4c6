"""What a person does in each console, in a browser that has kept nothing: its time and bytes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from playwright.sync_api import Browser, Page

from consoles.data import COMPARED, EXPERIMENT, Data, name_of, run_id

PATIENCE_MS = 120_000
SETTLED_MS = 1500
"""After a page can be used it may still load: so long its bytes are counted on."""


class Seen(NamedTuple):
    """Milliseconds until a look was done, and bytes that came for it."""

    ms: float
    bytes: int


@dataclass
class Looker:
    """A fresh browser's page, which counts bytes and remembers what was asked for."""

    page: Page
    url: str
    came: int = 0
    asked: list[str] = field(default_factory=list)

    def goto(self, path: str) -> None:
        self.page.goto(self.url + path, wait_until="commit", timeout=PATIENCE_MS)

    def wait(self, selector: str, state: str = "visible") -> None:
        first = self.page.locator(selector).first
        first.wait_for(state=state, timeout=PATIENCE_MS)  # type: ignore[arg-type]

    def timed(self, do: Callable[[], None]) -> Seen:
        before, began = self.came, time.perf_counter()
        do()
        taken = (time.perf_counter() - began) * 1000
        self.page.wait_for_timeout(SETTLED_MS)
        return Seen(taken, self.came - before)


@contextmanager
def looking(browser: Browser, url: str) -> Iterator[Looker]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    looker = Looker(page, url)
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")

    def came(event: dict[str, float]) -> None:
        looker.came += int(event["encodedDataLength"])

    wire.on("Network.loadingFinished", came)
    page.on("request", lambda one: one.method == "GET" and looker.asked.append(one.url))
    try:
        yield looker
    finally:
        context.close()


Look = Callable[[Looker, Data], Seen]


def _row(number: int) -> str:
    return f'text="{name_of(number)}"'


# -- everloop, and its constants -------------------------------------------------------------------

TABLE = "/runs?" + urlencode({"experiment": EXPERIMENT})


def everloop_table(look: Looker, data: Data) -> Seen:
    def do() -> None:
        look.goto(TABLE)
        look.wait(_row(data.runs - 1))

    return look.timed(do)


def everloop_filtered(look: Looker, data: Data) -> Seen:
    filter, newest, left = data.filtered()
    look.goto(TABLE)
    look.wait(_row(newest))
    look.page.wait_for_timeout(SETTLED_MS)
    look.page.fill("#filter", filter)

    def do() -> None:
        look.page.press("#filter", "Enter")
        look.wait(_row(newest), "hidden")
        look.wait(_row(left))

    return look.timed(do)


def everloop_compare(look: Looker, data: Data) -> Seen:
    def do() -> None:
        look.goto("/runs/compare?runs=" + ",".join(data.compared))
        look.wait(_row(data.runs - COMPARED))
        look.wait("loop-curves canvas, loop-parallel canvas, loop-parallel svg")

    return look.timed(do)


def everloop_curve(look: Looker, data: Data) -> Seen:
    def do() -> None:
        look.goto(f"/runs/{run_id(0)}")
        look.wait("#curve-long canvas")

    return look.timed(do)


# -- MLflow ----------------------------------------------------------------------------------------


def mlflow_table(look: Looker, data: Data) -> Seen:
    def do() -> None:
        look.goto("/#/experiments/1/runs")
        look.wait(_row(data.runs - 1))

    return look.timed(do)


def mlflow_filtered(look: Looker, data: Data) -> Seen:
    filter, newest, left = data.filtered()
    look.goto("/#/experiments/1/runs")
    look.wait(_row(newest))
    look.page.wait_for_timeout(SETTLED_MS)
    field = look.page.get_by_placeholder("metrics.rmse")
    field.fill(filter)

    def do() -> None:
        field.press("Enter")
        look.wait(_row(newest), "hidden")
        look.wait(_row(left))

    return look.timed(do)


def mlflow_compare(look: Looker, data: Data) -> Seen:
    runs, experiments = quote(json.dumps(data.compared)), quote('["1"]')

    def do() -> None:
        look.goto(f"/#/compare-runs?runs={runs}&experiments={experiments}")
        look.wait(_row(data.runs - COMPARED), "attached")
        look.wait(".js-plotly-plot .main-svg")

    return look.timed(do)


def mlflow_curve(look: Looker, data: Data) -> Seen:
    def do() -> None:
        look.goto(f"/#/experiments/1/runs/{run_id(0)}/model-metrics")
        look.wait(".js-plotly-plot .scatterlayer .js-line, .js-plotly-plot .gl-canvas")

    return look.timed(do)


EVERLOOP: dict[str, Look] = {
    "table": everloop_table,
    "filtered": everloop_filtered,
    "compare": everloop_compare,
    "curve": everloop_curve,
}
MLFLOW: dict[str, Look] = {
    "table": mlflow_table,
    "filtered": mlflow_filtered,
    "compare": mlflow_compare,
    "curve": mlflow_curve,
}


def path_of(url: str) -> str:
    """A URL's path and query."""
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")
