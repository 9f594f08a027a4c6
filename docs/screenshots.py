"""Pictures of the console's pages as docs/screenshots/PAGE.{light,dark,phone}.webp.

Run: python docs/screenshots.py FOLDER [PAGE …]

FOLDER holds a project with a past, as `everloop demo` leaves one. A copy of it is served, so that
it stays as it is. Without PAGE it is all of them.
"""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from everloop.loop.project import Project
from everloop.server.child import answers_ready

OUT = Path(__file__).parent / "screenshots"
LOOKS = {"light": (1280, 900), "dark": (1280, 900), "phone": (360, 740)}
COLOURS = 96  # of a picture, which keeps it small
MOST_BYTES = 150_000
SETTLED = 1200  # ms after which charts are drawn


def places(project: Project) -> dict[str, str]:
    """The pages by the names of their pictures, of the newest things there are."""
    loop = project.cycles.loop_names()[0]
    cycles = project.cycles.page(loop, None, 50)
    waiting = [cycle for cycle in cycles if cycle.state == "waiting"]
    promoted = [cycle for cycle in cycles if cycle.verdict == "promoted"]
    shown = (promoted or cycles)[0]
    endpoint = project.endpoints.all()[0].name
    model = quote(project.endpoints.all()[0].model, safe="")
    versions = [one.version for one in project.registry.versions(loop)]
    window = project.windows.page(endpoint, limit=3)[-1]
    runs = [run.id for run in project.runs.search(None, "", [], limit=8).items]
    datasets = [one.digest for one in project.datasets.page(None, None, 2)]
    alerts = project.alerts.page(limit=1)
    version = f"/models/{model}/versions/{max(versions)}"
    found = {
        "overview": "/",
        "loop": f"/loops/{loop}",
        "cycle": f"/cycles/{shown.id}",
        "decision": f"/cycles/{(waiting or [shown])[0].id}/decision",
        "runs": "/runs",
        "run": f"/runs/{runs[1]}",
        "compare": f"/runs/compare?runs={','.join(runs)}",
        "datasets": "/datasets",
        "dataset": f"/datasets/{datasets[0]}",
        "models": "/models",
        "model": f"/models/{model}",
        "version": version,
        "lineage": f"{version}/lineage",
        "versions": f"/models/{model}/compare?versions={min(versions)},{max(versions)}",
        "endpoints": "/endpoints",
        "endpoint": f"/endpoints/{endpoint}",
        "predictions": f"/endpoints/{endpoint}/predictions",
        "try": f"/endpoints/{endpoint}/try",
        "monitor": f"/endpoints/{endpoint}/monitor",
        "window": f"/endpoints/{endpoint}/windows/{window.start}",
        "alerts": "/alerts",
        "rules": "/alerts/rules",
        "backtests": "/backtests",
        "events": "/events",
        "access": "/access",
        "settings": "/settings",
        "storage": "/storage",
        "operations": "/operations",
        "search": f"/search?q={loop}",
        "sign-in": "/sign-in",
    }
    if alerts:
        found["alert"] = f"/alerts/{alerts[0].incident.id}"
    if len(datasets) > 1:
        found["datasets-compared"] = f"/datasets/{datasets[0]}/compare?to={datasets[1]}"
    studies = project.runs.search(None, "tags.study LIKE '%'", [], limit=1).items
    if studies:
        found["study"] = f"/studies/{studies[0].tags['study']}"
    return found


def prepare(project: Project) -> None:
    """Somebody who may sign in, and commands without the folders of whoever ran them."""
    project.people.add("ann", roles=["reviewer"], actor="local")
    for run in project.runs.search(None, "", [], limit=50).items:
        if "command" in run.tags:
            project.runs.log_tags(run.id, {"command": "everloop up"})


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Console and predictions of a folder, in which no cycle begins; gives the address."""
    port, serve_port = free_port(), free_port()
    clean = {k: v for k, v in os.environ.items() if not k.startswith("EVERLOOP_")}
    plane = [Path(sys.executable).with_name("everloop"), "serve", "--port", str(serve_port)]
    control = [sys.executable, "-m", "everloop.server", "--no-controller", "--port", str(port),
               "--serve-port", str(serve_port)]  # fmt: skip
    commands = [[*command, "--dir", str(folder)] for command in (plane, control)]
    processes = [subprocess.Popen(command, env=clean) for command in commands]
    try:
        while not all(answers_ready(("127.0.0.1", number)) for number in (port, serve_port)):
            assert all(process.poll() is None for process in processes)
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        for process in processes:
            process.terminate()
            process.wait(60)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def picture(browser: Browser, url: str, look: str) -> bytes:
    """One page in one look."""
    width, height = LOOKS[look]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if look == "dark" else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    answer = page.goto(url)
    assert answer is not None and answer.status == 200, url
    page.wait_for_timeout(SETTLED)
    taken = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    context.close()
    kept = io.BytesIO()
    taken.quantize(COLOURS, dither=Image.Dither.NONE).save(kept, "WEBP", lossless=True, quality=90)
    assert kept.tell() <= MOST_BYTES, f"{url} takes {kept.tell()} bytes"
    return kept.getvalue()


def main(source: Path, *names: str) -> None:
    """Take the pictures."""
    OUT.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="everloop-") as scratch,
        sync_playwright() as playwright,
    ):
        folder = Path(scratch) / "flights"
        shutil.copytree(source, folder)
        with Project.open(folder) as project:
            prepare(project)
            found = places(project)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        with serving(folder) as url:
            for name in names or found:
                for look in LOOKS:
                    file = OUT / f"{name}.{look}.webp"
                    file.write_bytes(picture(browser, url + found[name], look))
                print(name, found[name], flush=True)
        browser.close()
    total = sum(file.stat().st_size for file in OUT.iterdir())
    print(f"{total / 1e6:.1f} MB in all")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
