"""Tracking by the unmodified mlflow client: MLflow's own server, everloop, and the ceiling.

The ceiling is a server that answers with constants: what the client can reach at all. The three
take turns within each round, so that whatever else the machine does meets all of them; the median
of the rounds is shown, and the range of everloop's. "The answer alone" is the same requests by a
bare HTTP client: what is left when the mlflow client's own work on the answer is taken away.

Run: python benchmarks/tracking.py [--quick] [--only log_metric,search] [--mlflow-python PYTHON]

Without --mlflow-python, mlflow is installed once into a virtual environment in the cache folder.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from peers.environments import python_of
from rich.console import Console
from rich.table import Table

MLFLOW = "3.17.2"
PEERS = Path(__file__).parent / "peers"
RUNS = 301
console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    ``least`` of the ceiling, or at ``most`` this part of MLflow's own time, is the reach; where
    neither is said, to be faster than MLflow.
    """

    name: str
    words: str
    unit: str
    least: float | None = None
    most: float | None = None


FIGURES = (
    Figure("log_metric", "log_metric", "/s", least=0.8),
    Figure("log_batch", "log_batch, points (1,000 a batch)", "/s", least=0.8),
    Figure("whole_runs", "whole runs (20 metrics, 20 params)", "/s", least=0.7),
    Figure("writers", "log_metric, 8 processes", "/s", least=0.8),
    Figure("log_artifact", "log_artifact, files of 1 kB", "/s"),
    Figure("search", "search 100 of 301 runs", "ms", most=1 / 10),
    Figure("search_alone", "  the answer alone", "ms", most=1 / 10),
    Figure("filtered", "search, filter and sort", "ms", most=1 / 5),
    Figure("filtered_alone", "  the answer alone", "ms", most=1 / 5),
    Figure("paged", "page through 301 runs", "ms", most=1 / 10),
    Figure("paged_alone", "  the answer alone", "ms", most=1 / 10),
    Figure("history", "history of 20,000 points", "ms", most=1 / 8),
    Figure("history_alone", "  the answer alone", "ms", most=1 / 8),
)


@dataclass
class System:
    """A server under measurement."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    memory: tuple[float, float, int] = (0.0, 0.0, 0)
    loaded: tuple[float, float, int] = (0.0, 0.0, 0)
    found: dict[str, list[float]] = field(default_factory=dict)

    def median(self, figure: str) -> float | None:
        values = self.found.get(figure)
        return statistics.median(values) if values else None


class Client:
    """The process that holds the mlflow client."""

    def __init__(self, python: str, log: Path) -> None:
        self.process = subprocess.Popen(
            [python, str(PEERS / "mlflow_client.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            env=environment(python),
            text=True,
        )
        self.log = log
        self.version = self._answer()

    def ask(self, do: str, url: str, **more: Any) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, "url": url, **more}) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"The client ended:\n{self.log.read_text()[-2000:]}")
        return json.loads(line)["value"]


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def memory(process: subprocess.Popen[bytes]) -> tuple[float, float, int]:
    """RSS and PSS in MB of a process with all below it, and how many they are."""
    root = psutil.Process(process.pid)
    full = [p.memory_full_info() for p in (root, *root.children(recursive=True))]
    pss = sum(getattr(m, "pss", m.rss) for m in full)
    return sum(m.rss for m in full) / 1e6, pss / 1e6, len(full)


@contextlib.contextmanager
def started(name: str, command: list[str], port: int, folder: Path, path: str) -> Iterator[System]:
    """A server, until the end of the block."""
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=folder, stdout=out, stderr=out, env=environment(command[0])
        )
    system = System(name, f"http://127.0.0.1:{port}", process)
    try:
        _wait(system, path, log)
        yield system
    finally:
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.terminate()
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
        process.kill()


def environment(python: str) -> dict[str, str]:
    """Of a server or client; an interpreter of another environment gets none of our modules."""
    own = dict(os.environ) | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    if python != sys.executable:
        own.pop("PYTHONPATH", None)
    return own


def _wait(system: System, path: str, log: Path) -> None:
    for _ in range(1800):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(system.url + path, timeout=5).close()
            return
        if system.process.poll() is not None:
            break
        time.sleep(0.1)
    sys.exit(f"{system.name} did not start:\n{log.read_text()[-2000:]}")


def mlflow_server(python: str, folder: Path, port: int) -> list[str]:
    where = ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    kept = ["--artifacts-destination", str(folder / "mlartifacts")]
    return [python, "-m", "mlflow", "server", *where, *kept, "--port", str(port)]


def everloop_server(folder: Path, port: int) -> list[str]:
    return [sys.executable, "-m", "everloop.server", "--dir", str(folder), "--port", str(port)]


def constants(client: Client, source: System) -> dict[str, Any]:
    """Replies for the ceiling, taken from a server that was filled."""
    names = client.ask("names", source.url)
    api = f"{source.url}/api/2.0/mlflow/"

    def search(**more: Any) -> dict[str, Any]:
        asked = {"experiment_ids": [names["experiment"]], "max_results": 100} | more
        body, kind = json.dumps(asked).encode(), {"content-type": "application/json"}
        request = urllib.request.Request(api + "runs/search", body, kind)
        return dict(json.load(urllib.request.urlopen(request)))

    page = first = search()
    pages = {}
    while token := page.get("next_page_token"):
        page = pages[f"runs/search#{token}"] = search(page_token=token)
    filtered = search(**names["filtered"])
    history = f"{api}metrics/get-history?run_id={names['run']}&metric_key=loss&max_results=25000"
    one = first["runs"][0]
    experiment = f"{api}experiments/get?experiment_id={names['experiment']}"
    return {
        "": {},
        "experiments/create": {"experiment_id": names["experiment"]},
        "experiments/get": json.load(urllib.request.urlopen(experiment)),
        "runs/create": {"run": one},
        "runs/get": {"run": one},
        "runs/update": {"run_info": one["info"]},
        **pages,
        f"runs/search#{names['filtered']['filter']}": filtered,
        "runs/search": first,
        "metrics/get-history": json.load(urllib.request.urlopen(history)),
    }


def mlflow_python(given: str | None) -> str:
    """An interpreter with mlflow, installed into the cache folder when none is given."""
    if given:
        return given
    return str(python_of("mlflow", [f"mlflow=={MLFLOW}"]))


def measure(
    client: Client, systems: list[System], wanted: list[Figure], rounds: int, quick: bool
) -> None:
    """Each figure of each system, in turns."""
    seconds, repeats = (0.6, 2) if quick else (2.0, 5)
    for number in range(rounds):
        order = systems[number % len(systems) :] + systems[: number % len(systems)]
        for figure in wanted:
            for system in order:
                more = {"repeats": repeats} if figure.unit == "ms" else {"seconds": seconds}
                value = client.ask(figure.name, system.url, **more)
                system.found.setdefault(figure.name, []).append(value)
        console.print(f"round {number + 1} of {rounds} done", style="dim")


def report(client: Client, systems: list[System], wanted: list[Figure]) -> dict[str, Any]:
    """Print the table; the same as values."""
    by = {system.name: system for system in systems}
    table = Table(box=None, pad_edge=False)
    for column in ("figure", "MLflow", "everloop", "(range)", "ceiling"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for column in ("× MLflow", "of ceiling", "reach", ""):
        table.add_column(column, justify="right")
    rows: list[dict[str, Any]] = []
    limited: list[str] = []  # by the client
    for figure in wanted:
        peer, own, top = (_median(by, n, figure.name) for n in ("mlflow", "everloop", "ceiling"))
        spread = by["everloop"].found.get(figure.name) if "everloop" in by else None
        faster = _ratio(own, peer) if figure.unit == "/s" else _ratio(peer, own)
        part = _ratio(own, top) if figure.unit == "/s" else _ratio(top, own)
        if figure.least is not None:
            met = None if part is None else part >= figure.least
            reach = f"≥ {figure.least:.0%} of ceiling"
        elif figure.most is None:
            met = None if faster is None else faster > 1
            reach = "> MLflow"
        else:
            met = None if faster is None else faster >= 1 / figure.most
            reach = f"≤ 1/{1 / figure.most:.0f} of MLflow"
            known = top and peer and not figure.name.endswith("_alone")
            if known and top > peer * figure.most:
                limited.append(f"{figure.words}: {top / peer:.2f}")
        table.add_row(
            figure.words, *(_shown(v, figure.unit) for v in (peer, own)),
            f"{min(spread):,.0f} – {max(spread):,.0f}" if spread else "",
            _shown(top, figure.unit), f"{faster:.1f}" if faster else "–",
            f"{part:.0%}" if part else "–", reach, _mark(met),
        )  # fmt: skip
        rows.append({"figure": figure.name, "unit": figure.unit, "mlflow": peer, "everloop": own,
                     "ceiling": top, "met": met})  # fmt: skip
    _memory_rows(table, by)
    console.print(f"mlflow client {client.version}, {os.cpu_count()} cores")
    console.print(table)
    if limited:
        console.print(
            "The client alone, against constants, takes this part of MLflow's time, more than the "
            "reach allows:\n  " + "\n  ".join(limited)
        )
    return {
        "client": client.version,
        "figures": rows,
        "memory": {s.name: s.memory for s in systems},
    }


def _memory_rows(table: Table, by: dict[str, System]) -> None:
    for words, which in (("server's memory, idle", "memory"), ("  after the load", "loaded")):
        peer, own = (getattr(by[n], which) if n in by else None for n in ("mlflow", "everloop"))
        times = peer[1] / own[1] if peer and own and own[1] else None
        idle = which == "memory"
        table.add_row(
            words, _weight(peer), _weight(own), "", "", f"1/{times:.1f}" if times else "–", "",
            "≤ 1/8 of MLflow" if idle else "", _mark(times >= 8 if times and idle else None),
        )  # fmt: skip


def _weight(value: tuple[float, float, int] | None) -> str:
    if not value or not value[2]:
        return "–"
    return f"{value[0]:,.0f} MB RSS\n{value[1]:,.0f} MB PSS, {value[2]} proc."


def _median(by: dict[str, System], name: str, figure: str) -> float | None:
    return by[name].median(figure) if name in by else None


def _ratio(a: float | None, b: float | None) -> float | None:
    return a / b if a and b else None


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}{unit}" if unit == "/s" and value >= 10 else f"{value:,.1f} {unit}"


def _mark(met: bool | None) -> str:
    return {None: "", True: "[green]✓[/]", False: "[red]✗[/]"}[met]


def native(folder: Path) -> None:
    """Points per second of the native client, when its own benchmark is here."""
    script = Path(__file__).with_name("native_logging.py")
    if script.exists():
        subprocess.run([sys.executable, str(script), "--quick"], check=False, cwd=folder)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rounds", type=int, help="rounds; 5, or 1 with --quick")
    parser.add_argument("--only", help="figures, by name, between commas")
    parser.add_argument("--systems", default="mlflow,everloop,ceiling", help="which servers")
    parser.add_argument("--mlflow-python", help="an interpreter that has mlflow")
    parser.add_argument("--native", action="store_true", help="then run native_logging.py too")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    return parser.parse_args()


def main() -> None:
    options = parsed()
    names = options.systems.split(",")
    only = options.only.split(",") if options.only else [figure.name for figure in FIGURES]
    wanted = [figure for figure in FIGURES if figure.name.removesuffix("_alone") in only]
    python = mlflow_python(options.mlflow_python)
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        folder = Path(place)
        systems = []
        commands = {"mlflow": mlflow_server(python, folder, port := free())}
        ports = {"mlflow": port, "everloop": free(), "ceiling": free()}
        (folder / "project").mkdir()
        commands["everloop"] = everloop_server(folder / "project", ports["everloop"])
        for name in [n for n in ("mlflow", "everloop") if n in names]:
            made = started(name, commands[name], ports[name], folder, "/health")
            systems.append(stack.enter_context(made))
        client = Client(python, folder / "client.log")
        time.sleep(2.0)  # until they idle
        for system in systems:
            system.memory = memory(system.process)
            took = client.ask("fill", system.url, runs=RUNS)
            console.print(f"{system.name} filled in {took:.1f} s", style="dim")
        if "ceiling" in names and systems:
            replies = folder / "replies.json"
            replies.write_text(json.dumps(constants(client, systems[0])))
            script = [sys.executable, str(PEERS / "ceiling.py"), str(ports["ceiling"])]
            command = [*script, str(replies)]
            made = started("ceiling", command, ports["ceiling"], folder, "/health")
            systems.append(stack.enter_context(made))
        rounds = options.rounds or (1 if options.quick else 5)
        measure(client, systems, wanted, rounds, options.quick)
        for system in systems:
            system.loaded = memory(system.process)
        figures = report(client, systems, wanted)
        if options.json:
            options.json.write_text(json.dumps(figures, indent=2))
        client.process.kill()
        if options.native:
            native(folder)


if __name__ == "__main__":
    main()
