"""The demo: a whole loop on real data, told stage by stage as it happens."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from everloop.demo.picture import terminal_chart, write_picture
from everloop.demo.plane import Plane
from everloop.demo.replay import Replay, Week
from everloop.demo.streams import Stream
from everloop.deploy.package import read_package
from everloop.deploy.state import package_path
from everloop.errors import Conflict, EverloopError
from everloop.loop.answers import PackagedModel
from everloop.registry.signing import Keys
from everloop.settings import state_dir

VERDICT_STYLE = {
    "promoted": "green",
    "not_worth_it": "yellow",
    "refused": "red",
    "rolled_back": "red",
}
MARKER = ".everloop-demo"


class Story:
    """Runs the demo in a folder of its own and leaves everything there to look at."""

    def __init__(self, folder: Path, stream: Stream, console: Console) -> None:
        self.folder = folder
        self.stream = stream
        self.console = console
        self.began = time.monotonic()

    def run(self) -> dict[str, Any]:
        """The whole story; returns its figures."""
        self._lay_out()
        with Plane(self.folder) as plane:
            self._say("up", f"console {plane.url}, predictions {plane.serve_url}")
            self._first_cycle(plane)
            replay = self._replay(plane)
            audit = plane.get("/api/v1/audit/verify")
            gains = plane.gains(self.stream.name)
        return self._close(replay, audit, gains)

    # -- chapters --------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        prepare_folder(self.folder)
        self.stream.write(self.folder)
        training = self.stream.training()
        self._say(
            "data",
            f"{training.height:,} rows of the first {self.stream.train_days} days to "
            f"train on; {self.stream.replayed:,} rows more to replay",
        )
        self._say("declare", f"{self.folder / 'everloop.toml'} says what good means")

    def _first_cycle(self, plane: Plane) -> None:
        started = plane.post(f"/api/v1/loops/{self.stream.name}/cycles")
        shown: set[str] = set()
        with self.console.status("first cycle …") as status:
            while True:
                cycle = plane.cycle(started["id"])
                for name, step in cycle["steps"].items():
                    status.update(f"{name} …")
                    if step["state"] == "done" and name not in shown:
                        shown.add(name)
                        self._tell_step(name, step["result"])
                if cycle["cycle"]["finished"]:
                    break
                time.sleep(0.1)
        verdict = cycle["cycle"]["verdict"]
        self._say(verdict, cycle["cycle"]["reason"])
        if verdict != "promoted":
            raise EverloopError("demo: the first cycle did not end in a promotion, see above.")
        plane.wait_served(self.stream.name)

    def _replay(self, plane: Plane) -> Replay:
        fault = self.stream.fault
        self._say(
            "replay",
            "the rest goes through the endpoint over HTTP, a day at a time; labels "
            "follow a day later",
        )
        self._say("", f"in week {fault.week} the demo itself injects a fault: {fault.story}")
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as bar:
            task = bar.add_task("days", total=self.stream.day_count)
            replay = Replay(
                plane, self.stream, self._version_1(plane), on_day=lambda: bar.advance(task)
            )
            self.console.print(_header())
            replay.run(lambda week: self._tell_week(bar, week))
        return replay

    def _version_1(self, plane: Plane) -> PackagedModel:
        """The model that the replay compares with: the package that the data plane serves too."""
        version = plane.get(f"/api/v1/models/{self.stream.name}/versions/1")
        state = state_dir(self.folder)
        folder = package_path(state, version["digest"])
        return PackagedModel(folder, read_package(folder, Keys.load(state / "keys")))

    def _close(
        self, replay: Replay, audit: dict[str, Any], gains: list[dict[str, Any]]
    ) -> dict[str, Any]:
        loop, frozen = replay.total("loop"), replay.total("frozen")
        picture = write_picture(self.folder / "demo.svg", replay.weeks, self.stream)
        self.console.print(terminal_chart(replay.weeks, self.console.width))
        cycles = [w.cycle for w in replay.weeks if w.cycle is not None]
        table = Table(box=None, show_header=False, pad_edge=False)
        for name, value in (
            ("ROC AUC, never updated", f"{frozen:.4f}"),
            ("ROC AUC, with the loop", f"{loop:.4f}  ({(loop or 0) - (frozen or 0):+.4f})"),
            *_gains(gains),
            ("cycles", _verdicts(cycles)),
            ("injected fault", _caught(replay.weeks, self.stream)),
            ("event log", f"{audit['events']} events, {'unbroken' if audit['ok'] else 'BROKEN'}"),
            ("took", f"{time.monotonic() - self.began:.0f} s"),
        ):
            table.add_row(f"[bold]{name}[/]", escape(value))
        self.console.print(table)
        self._where(picture)
        return {
            "loop": loop,
            "frozen": frozen,
            "cycles": cycles,
            "gains": gains,
            "audit": audit,
            "caught": _caught(replay.weeks, self.stream),
            "picture": str(picture),
            "seconds": time.monotonic() - self.began,
        }

    def _where(self, picture: Path) -> None:
        folder = self.folder
        for what, where in (
            ("picture", str(picture)),
            ("the loop", str(folder / "everloop.toml")),
            ("its state", f"{state_dir(folder)} (database, signed packages, prediction log)"),
            ("console", f"everloop up --dir {folder}    then http://127.0.0.1:5050"),
            ("history", f"everloop history --dir {folder}"),
        ):
            self.console.print(f"  [bold]{what:<10}[/] {escape(where)}", soft_wrap=True)

    # -- telling ---------------------------------------------------------------------------------

    def _say(self, what: str, text: str) -> None:
        self.console.print(
            f"[bold cyan]{what.replace('_', ' '):<9}[/] {escape(text)}", soft_wrap=True
        )

    def _tell_step(self, name: str, result: dict[str, Any]) -> None:
        if name == "snapshot":
            self._say(
                name,
                f"{result['rows']:,} rows as dataset {result['dataset'][:12]}, "
                f"{result['train_rows']:,} train, {result['test_rows']:,} test",
            )
        elif name == "train":
            for c in result["candidates"]:
                self._say(
                    name,
                    f"{c['algorithm']:<20} {result['metric']} {c['score']:.4f}  "
                    f"in {c['seconds']:.1f} s",
                )
        elif name == "evaluate":
            for gate in result["gates"]:
                self._say("test", f"{gate['verdict']:<5} {gate['gate']}: {gate['detail']}")
        elif name == "register":
            self._say(name, f"version {result['version']}, signed package {result['digest'][:12]}")
        elif name == "promote":
            self._say(
                "deploy", f"version {result['version']} answers at /endpoints/{self.stream.name}"
            )

    def _tell_week(self, bar: Progress, week: Week) -> None:
        versions = ",".join(str(v) for v in week.versions)
        line = (
            f"{week.number:>4} {week.rows:>6,} {_auc(week, 'loop'):>7} {_auc(week, 'frozen'):>7} "
            f"{versions:>8}  "
        )
        bar.console.print(line + _happened(week), soft_wrap=True)


def prepare_folder(folder: Path) -> None:
    """An empty folder for the demo; one that an earlier demo made is cleared.

    Raises :class:`~everloop.errors.Conflict` for a folder that holds something else.
    """
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise Conflict(
                f"{folder}: is not empty.",
                path="--dir",
                code="not_empty",
                fix="Name an empty folder with --dir.",
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()


def _header() -> str:
    return (
        f"[bold]{'week':>4} {'rows':>6} {'AUC':>7} {'frozen':>7} {'version':>8}  what happened[/]"
    )


def _auc(week: Week, who: str) -> str:
    value = week.auc(who)
    return "–" if value is None else f"{value:.4f}"


def _happened(week: Week) -> str:
    """One line: what was injected, how the last cycle ended, what was seen, what was decided."""
    parts = [f"[bold magenta]INJECTED: {escape(week.injected)}[/]"] if week.injected else []
    if week.cycle is not None:
        verdict = week.cycle["verdict"]
        style = VERDICT_STYLE.get(verdict, "bold")
        parts.append(f"[{style}]{verdict.replace('_', ' ')}[/]: {escape(_short(week.cycle))}")
    parts += [f"[red]{escape(a['summary'])}[/]" for a in week.alerts if a["kind"] == "quality"]
    if week.action == "cycle":
        parts.append("seen: " + escape(week.decision.removeprefix("Update: ")))
    return "\n                                   ".join(parts)


def _short(cycle: dict[str, Any]) -> str:
    reason = str(cycle["reason"])
    return reason.partition(" Seen: ")[0].removeprefix("Not worth it: ").removeprefix("Refused: ")


def _verdicts(cycles: list[dict[str, Any]]) -> str:
    names = [c["verdict"].replace("_", " ") for c in cycles]
    return ", ".join(f"{names.count(n)} {n}" for n in dict.fromkeys(names)) or "none"


def _gains(gains: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """A line for each update: the gain that was expected of it, and the one that labels showed."""
    lines = []
    for gain in gains:
        expected = gain["expected"]
        said = "–" if expected is None else f"{expected['gain']:+.4f}"
        found = f"{gain['gain']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]"
        title = f"version {gain['version']} over {gain['replaced']}"
        lines.append((title, f"expected {said}, realised {found} on {gain['rows']:,} rows"))
    return lines


def _caught(weeks: list[Week], stream: Stream) -> str:
    for week in weeks:
        for alert in week.alerts:
            if alert["kind"] == "quality" and alert["feature"] == stream.fault.feature:
                return f"caught in week {week.number}: {alert['summary']}"
    return "NOT caught"
