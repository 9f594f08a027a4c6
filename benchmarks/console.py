"""The console beside MLflow's, in the same browser over the same runs: time and bytes.

Each look begins in a browser that has kept nothing. The sides take turns within each round, and the
median of the rounds is shown: until the first rows of the table of runs can be seen; from Enter in
the filter until only what it leaves is seen; until a comparison of 20 runs is drawn; until a curve
of 1,000,000 points is drawn. The ceiling is the same browser over a server that says again what
everloop said, from memory: what is left is the browser's own time. Bytes are what came over the
wire, compressed as it was, until 1.5 s after the page could be used.

The runs lie in the cache folder, so that the second time is quick.

Run: python benchmarks/console.py [--runs 1000,100000] [--rounds 5] [--only table,filtered]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from consoles import servers
from consoles.data import Data, prepared, write_everloop, write_mlflow
from consoles.looks import EVERLOOP, MLFLOW, Look, Seen, looking, path_of
from peers.environments import CACHE
from playwright.sync_api import Browser, Error, sync_playwright
from rich.console import Console
from rich.table import Table

FASTER, LIGHTER = 5.0, 10.0
"""The reach: so many times faster and lighter than MLflow."""
WORDS = {
    "table": "the table",
    "filtered": "the filtered table",
    "compare": "a comparison of 20 runs",
    "curve": "the long curve",
}
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-background-networking", "--disable-component-update"]  # fmt: skip
console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)


@dataclass
class Figure:
    """Medians of one look: milliseconds and bytes of MLflow, everloop and the ceiling."""

    look: str
    runs: int
    mlflow_ms: float | None = None
    everloop_ms: float | None = None
    ceiling_ms: float | None = None
    mlflow_bytes: float | None = None
    everloop_bytes: float | None = None

    @property
    def faster(self) -> float | None:
        return _ratio(self.mlflow_ms, self.everloop_ms)

    @property
    def lighter(self) -> float | None:
        return _ratio(self.mlflow_bytes, self.everloop_bytes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else "")
    parser.add_argument("--runs", default="1000,100000")
    parser.add_argument("--points", type=int, default=1_000_000, help="of the long curve")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join(WORDS))
    parser.add_argument("--out", type=Path, help="also write the figures as JSON")
    given = parser.parse_args()
    chosen = [name for name in WORDS if name in given.only.split(",")]
    figures: list[Figure] = []
    with browsing() as browser:
        for size in map(int, given.runs.split(",")):
            figures += measured(browser, Data(size, given.points), chosen, given.rounds)
            show(figures)
    if given.out:
        found = [asdict(f) | {"faster": f.faster, "lighter": f.lighter} for f in figures]
        given.out.write_text(json.dumps({"rounds": given.rounds, "figures": found}, indent=2))


@contextlib.contextmanager
def browsing() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


def measured(browser: Browser, data: Data, chosen: list[str], rounds: int) -> list[Figure]:
    place = CACHE / "console"
    ours = prepared(place / f"everloop-{data.runs}", data, write_everloop)
    theirs = prepared(place / f"mlflow-{data.runs}", data, write_mlflow)
    with (
        servers.everloop(ours) as our_url,
        servers.mlflow(theirs) as their_url,
        servers.constants() as (constant_url, answers),
    ):
        looks: dict[str, tuple[str, dict[str, Look]]] = {
            "mlflow": (their_url, MLFLOW),
            "everloop": (our_url, EVERLOOP),
            "ceiling": (constant_url, EVERLOOP),
        }
        figures = []
        for name in chosen:
            console.print(f"[dim]{WORDS[name]}, {data.runs:,} runs …[/]")
            # A first time that is not counted: servers import and read what they need once.
            asked = once(browser, our_url, EVERLOOP[name], data)[1]
            for path in asked:
                with contextlib.suppress(OSError):
                    answers[path] = servers.fetched(our_url, path)
            once(browser, their_url, MLFLOW[name], data)
            found: dict[str, list[Seen]] = {side: [] for side in looks}
            for turn in range(rounds):
                sides = list(looks)
                for side in sides[turn % 3 :] + sides[: turn % 3]:
                    url, own = looks[side]
                    seen, _ = once(browser, url, own[name], data)
                    if seen is not None:
                        found[side].append(seen)
            figures.append(figure(name, data.runs, found))
        return figures


def once(browser: Browser, url: str, look: Look, data: Data) -> tuple[Seen | None, list[str]]:
    """One look, and the paths that were asked for; None where the page never got there."""
    with looking(browser, url) as looker:
        try:
            seen: Seen | None = look(looker, data)
        except Error as error:
            console.print(f"[red]{look.__name__}[/]: {error.message.splitlines()[0]}")
            seen = None
        paths = [path_of(one) for one in looker.asked if one.startswith(url)]
        return seen, [path for path in paths if not path.startswith("/changes")]


def figure(name: str, runs: int, found: dict[str, list[Seen]]) -> Figure:
    def median(side: str, of: Callable[[Seen], float]) -> float | None:
        return statistics.median(map(of, found[side])) if found[side] else None

    return Figure(
        name,
        runs,
        **{f"{side}_ms": median(side, lambda seen: seen.ms) for side in found},
        mlflow_bytes=median("mlflow", lambda seen: seen.bytes),
        everloop_bytes=median("everloop", lambda seen: seen.bytes),
    )


def show(figures: list[Figure]) -> None:
    table = Table(title="until it can be used, ms; and bytes that came, kB (medians)")
    for heading in ("look", "runs", "MLflow", "everloop", "ceiling", "faster", "MLflow kB",
                    "everloop kB", "lighter", "reached"):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "look" else "right")
    for one in figures:
        reached = (one.faster or 0) >= FASTER and (one.lighter or 0) >= LIGHTER
        table.add_row(
            WORDS[one.look], f"{one.runs:,}", _cell(one.mlflow_ms), _cell(one.everloop_ms),
            _cell(one.ceiling_ms), _cell(one.faster, "×", 1),
            _cell(one.mlflow_bytes, "", 0, 1000), _cell(one.everloop_bytes, "", 1, 1000),
            _cell(one.lighter, "×", 1), "[green]yes[/]" if reached else "[red]no[/]",
        )  # fmt: skip
    console.print(table)
    console.print(f"reach: {FASTER:g}× faster and {LIGHTER:g}× fewer bytes, each")


def _cell(value: float | None, unit: str = "", digits: int = 0, over: float = 1) -> str:
    return "–" if value is None else f"{value / over:,.{digits}f}{unit}"


def _ratio(theirs: float | None, ours: float | None) -> float | None:
    return None if theirs is None or not ours else theirs / ours


if __name__ == "__main__":
    main()
