"""Three years of the census through a real endpoint: scores expected and real, and alarms.

Run: python benchmarks/monitored.py [--every 4] [--untouched] [--dir FOLDER]

``everloop up`` runs with its data plane as processes of their own. A model learns from the persons
of 2015 and answers those of 2016 to 2018 over HTTP, in the order of time; the labels of a month
come by feedback two months later. Each month is a window: what its ROC AUC was expected to be
before a label came, with the 95 % interval, and what it then was. So that there is something to
find, the benchmark itself changes two things, and says so: from March 2018 an upstream system
sends the age of women in a new way (+8 years), which concerns half of the rows; from August 2018
half of all labels of persons below 30 are turned round, which no input shows. --untouched leaves
the stream as it is. --every 1 sends every person; by default it is each fourth, and two minutes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import everloop as el
from everloop.demo.plane import Plane

LOOP = """\
[loop]
name = "census"

[data]
source = "known.parquet"
target = "employed"
time = "surveyed_at"
id = "id"
ignore = ["year"]

[train]
candidates = ["lightgbm"]

[evaluate]
metric = "roc_auc"
holdout = "180d"

[monitor]
window = "30d"
performance = { labels_after = "30d" }

[update]
when = []
"""
ROWS = 200  # of a request
LATE = 2  # months until labels come
OLDER_FROM, TURNED_FROM = datetime(2018, 3, 1), datetime(2018, 8, 1)
console = Console(width=150)


def months(every: int, untouched: bool) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """The persons that train, and those that are asked about, a frame a month."""
    persons = el.datasets.census().sort("surveyed_at").gather_every(every)
    women, young = pl.col("SEX").cast(pl.String) == "2", pl.col("AGEP") < 30
    older = (pl.col("surveyed_at") >= OLDER_FROM) & women
    turned = (pl.col("surveyed_at") >= TURNED_FROM) & young & (pl.int_range(pl.len()) % 2 == 0)
    if not untouched:
        persons = persons.with_columns(
            employed=pl.col("employed") ^ turned, AGEP=pl.col("AGEP") + 8 * older
        )
    known = persons.filter(pl.col("year") == 2015)
    later = persons.filter(pl.col("year") > 2015)
    later = later.with_columns(month=pl.col("surveyed_at").dt.truncate("1mo"))
    return known, [m.drop("month") for _, m in later.group_by("month", maintain_order=True)]


def columns(frame: pl.DataFrame) -> dict[str, list[Any]]:
    """A request's columns; times as text."""
    made = frame.with_columns(
        pl.col("surveyed_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
        pl.col(pl.Categorical).cast(pl.String),
    )
    return made.to_dict(as_series=False)


def begin(plane: Plane) -> None:
    """Train the first version, and wait until it answers."""
    cycle = plane.post("/api/v1/loops/census/cycles")
    while not plane.cycle(cycle["id"])["cycle"]["finished"]:
        time.sleep(0.2)
    done = plane.cycle(cycle["id"])["cycle"]
    console.print(f"{done['verdict']}: {done['reason']}")
    plane.wait_served("census")


def send(plane: Plane, stream: list[pl.DataFrame]) -> Iterator[int]:
    """Ask about each month, and bring the labels that are due by then."""
    labels: list[list[dict[str, Any]]] = []
    for month in stream:
        for start in range(0, month.height, ROWS):
            part = month.slice(start, ROWS)
            plane.predict("census", columns(part.drop("employed", "year")))
        pairs = zip(month["id"], month["employed"], strict=True)
        labels.append([{"id": key, "label": label} for key, label in pairs])
        if len(labels) > LATE:
            plane.feedback("census", labels.pop(0))
        plane.post("/api/v1/loops/census/monitor")
        yield month.height
    for late in labels:
        plane.feedback("census", late)
    plane.post("/api/v1/loops/census/monitor")


def date(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")


def shown(score: dict[str, Any] | None) -> str:
    """``0.9012 (0.8850 to 0.9174)``."""
    if not score or score["value"] is None:
        return "–"
    return f"{score['value']:.4f} ({score['low']:.4f} to {score['high']:.4f})"


def told(alert: dict[str, Any]) -> str:
    where = alert["evidence"].get("segment")
    about = f" {alert['feature']}" if alert["feature"] else ""
    return f"{alert['kind']}{about}" + (f" where {where}" if where else "")


def table(plane: Plane) -> list[dict[str, Any]]:
    """Print the windows, and return their alerts, oldest first."""
    windows = plane.get("/api/v1/endpoints/census/windows?limit=100")["items"][::-1]
    alerts = plane.get("/api/v1/endpoints/census/alerts?limit=100")["items"][::-1]
    made = Table(title="ROC AUC of the census behind an endpoint, 95 % intervals")
    for name in ("window", "rows", "labelled", "expected, without labels", "was", "alarms"):
        made.add_column(name)
    apart, held = [], 0
    for window in windows:
        said = window["performance"] or {}
        guess = (said.get("expected") or {}).get("metrics", {}).get("roc_auc")
        real = said.get("metrics", {}).get("roc_auc")
        if guess and real:
            apart.append(abs(guess["value"] - real["value"]))
            held += guess["low"] <= real["value"] <= guess["high"]
        doubt = " ?" if (said.get("expected") or {}).get("warnings") else ""
        mine = ", ".join(told(a) for a in alerts if a["window"] == window["start"])
        counts = (f"{window['rows']:,}", f"{window['labelled']:,}")
        made.add_row(date(window["start"]), *counts, shown(guess) + doubt, shown(real), mine)
    console.print(made)
    if apart:
        console.print(
            f"Mean distance of expected and real ROC AUC: {sum(apart) / len(apart):.4f}; the "
            f"interval held in {held} of {len(apart)} windows. A ? marks what everloop doubts."
        )
    return alerts


def causes(plane: Plane, alerts: list[dict[str, Any]]) -> None:
    """What the alarms came from, as everloop explains them."""
    for alert in alerts:
        found = plane.get(f"/api/v1/alerts/{alert['id']}/cause")
        console.print(f"[bold]{date(alert['window'])} {told(alert)}[/]: {escape(alert['summary'])}")
        console.print(f"    {escape(found['sentence'])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--every", type=int, default=4, help="of so many persons one is sent")
    parser.add_argument("--untouched", action="store_true", help="change nothing")
    parser.add_argument("--dir", type=Path, help="an empty folder that stays")
    given = parser.parse_args()
    began = time.monotonic()
    known, stream = months(given.every, given.untouched)
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.dir or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        known.write_parquet(folder / "known.parquet")
        (folder / "everloop.toml").write_text(LOOP)
        with Plane(folder) as plane:
            begin(plane)
            with console.status("asking …") as status:
                sent = 0
                for rows in send(plane, stream):
                    sent += rows
                    status.update(f"{sent:,} persons asked about …")
            alerts = table(plane)
            causes(plane, alerts)
    kinds = Counter(alert["kind"] for alert in alerts)
    console.print(f"{sent:,} rows, alarms {dict(kinds)}, {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    main()
