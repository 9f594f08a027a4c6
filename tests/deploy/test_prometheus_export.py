"""What is exported for Prometheus and Grafana, read by Debian's real Prometheus."""

from __future__ import annotations

import json
import re
import subprocess

import httpx
import pytest
import yaml
from serving_harness import ROW

from everloop.deploy.export import queries
from everloop.deploy.export.context import write_files
from everloop.deploy.export.grafana import grafana
from everloop.deploy.export.prometheus import TOKEN_FILE, prometheus
from everloop.deploy.export.queries import Watched, filled
from everloop.deploy.state import Arm
from everloop.server.metrics import Metrics
from ports import free_port
from waiting import wait_for

QUERIES = [value for name, value in vars(queries).items() if name.isupper() and name[0] != "_"]
WATCHED = Watched(
    endpoint="flights", error_rate=0.01, p99_ms=200, shed=0.05, window="60s", patience="60s",
    core_hour=0.05, planes=("127.0.0.1:5051",), control="127.0.0.1:5050", token=False,
)  # fmt: skip


def promtool(*arguments: str) -> str:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_takes_the_files(tmp_path):
    odd = WATCHED._replace(endpoint='a"\\b')
    for folder, watched in (
        ("plain", WATCHED),
        ("odd", odd),
        ("token", WATCHED._replace(token=True)),
    ):
        write_files(prometheus(watched), tmp_path / folder)
        (tmp_path / folder / TOKEN_FILE).write_text("t")
        said = promtool("check", "config", str(tmp_path / folder / "prometheus.yml"))
        assert "7 rules found" in said
        promtool("check", "rules", str(tmp_path / folder / "everloop.rules.yml"))
    jobs = yaml.safe_load((tmp_path / "token" / "prometheus.yml").read_text())["scrape_configs"]
    assert jobs[0]["authorization"]["credentials_file"] == TOKEN_FILE


def test_a_dashboard_shows_every_query_once():
    board = json.loads(grafana(WATCHED)["everloop-dashboard.json"])
    shown = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert sorted(shown) == sorted(filled(query, WATCHED) for query in QUERIES)
    places = {(p["gridPos"]["x"], p["gridPos"]["y"]) for p in board["panels"]}
    assert len(places) == len(board["panels"]) == len({p["id"] for p in board["panels"]})
    assert board["templating"]["list"][0]["query"] == "prometheus"
    assert not re.search(r"\$(endpoint|window|core_hour)", json.dumps(shown))


@pytest.fixture
def prom(project, start, tmp_path):
    """A plane that has answered, and a Prometheus that scrapes it: the address of each."""
    project.want(flights=[Arm(1, project.linear())])
    serving = start()
    for _ in range(5):
        assert serving.predict([ROW]).status_code == 200
    plane, port = f"127.0.0.1:{serving.port}", free_port()
    folder = tmp_path / "prom"
    write_files(prometheus(WATCHED._replace(planes=(plane,), control=plane)), folder)
    config = folder / "prometheus.yml"
    config.write_text(config.read_text().replace("interval: 15s", "interval: 1s"))
    command = [
        "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    yield serving.url, f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(30)


def asked(address: str, query: str) -> list[dict]:
    try:
        answer = httpx.get(f"{address}/api/v1/query", params={"query": query}, timeout=30)
    except httpx.TransportError:
        return []
    if answer.status_code == 503:  # it begins
        return []
    said = answer.json()
    assert said["status"] == "success", (query, said)
    return said["data"]["result"]


def test_prometheus_reads_a_plane_and_knows_every_metric(prom):
    plane, address = prom
    counted = Metrics()
    counted.alerts({("flights", "drift", "warning"): 1})
    scraped = httpx.get(f"{plane}/metrics").text + counted.text().decode()
    known = set(re.findall(r"^(?:# TYPE )?(everloop_\w+)", scraped, re.MULTILINE))
    files = prometheus(WATCHED) | grafana(WATCHED)
    used = set(re.findall(r"everloop_\w+", "".join(files[n].decode() for n in files)))
    assert used - known == set()
    wait_for(lambda: asked(address, 'everloop_requests_total{endpoint="flights"} == 5'))
    wait_for(lambda: asked(address, filled(queries.CPU, WATCHED)))  # a rate needs two scrapes
    for query in QUERIES:
        asked(address, filled(query, WATCHED))
    (errors,) = asked(address, filled(queries.ERRORS, WATCHED))
    assert errors["value"][1] in ("0", "NaN")
    groups = httpx.get(f"{address}/api/v1/rules").json()["data"]["groups"]
    assert {len(group["rules"]) for group in groups} == {3, 4}
    assert all(r.get("lastError", "") == "" for group in groups for r in group["rules"])
