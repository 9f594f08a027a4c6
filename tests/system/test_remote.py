"""The command line driving a server that runs elsewhere, by ``EVERLOOP_SERVER``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from processes import everloop, everloop_here, up
from sklearn.datasets import load_breast_cancer

TOKEN = "a-long-enough-token-for-a-test"
LOOP_FILE = """\
[loop]
name = "cells"
[data]
source = "cells.csv"
target = "target"
[train]
candidates = ["logistic_regression"]
"""


def test_verbs_reach_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    load_breast_cancer(as_frame=True).frame.to_csv(there / "cells.csv", index=False)
    (there / "everloop.toml").write_text(LOOP_FILE)
    monkeypatch.setenv("EVERLOOP_TOKEN", TOKEN)
    with up(there) as running:
        monkeypatch.setenv("EVERLOOP_SERVER", f"http://127.0.0.1:{running.ports[0]}")
        said = everloop(here, "run").stdout
        assert "promoted" in said and "version 1" in said
        again = json.loads(everloop_here(here, "run", "--json").stdout)
        assert again["cycle"]["verdict"] == "not_worth_it"
        history = json.loads(everloop_here(here, "history", "--json").stdout)
        assert [c["number"] for c in history] == [2, 1]
        status = json.loads(everloop_here(here, "status", "--json").stdout)
        assert status["loops"][0]["champion"]["version"] == 1
        row = json.loads(load_breast_cancer(as_frame=True).data.head(1).to_json(orient="records"))
        bearer = {"authorization": f"Bearer {TOKEN}"}
        asked = running.predictions.post("/predict", json=row, headers=bearer)
        assert asked.status_code == 200, asked.text
        check_endpoints(here)
        with monkeypatch.context() as local:
            local.delenv("EVERLOOP_SERVER")
            check_endpoints(there)
        unknown = everloop_here(here, "endpoints", "cell", check=False)
        assert unknown.returncode == 2 and 'Did you mean "cells"?' in unknown.stderr
        assert "No update" in everloop_here(here, "update").stdout
        assert everloop_here(here, "monitor").returncode == 0
        assert "passed" in everloop_here(here, "test", "1").stdout

        missing = everloop_here(here, "deploy", "7", check=False)
        assert missing.returncode == 2 and "7" in missing.stderr
        monkeypatch.setenv("EVERLOOP_TOKEN", "wrong")
        refused = everloop_here(here, "status", check=False)
        assert refused.returncode == 2 and "Traceback" not in refused.stderr
    monkeypatch.setenv("EVERLOOP_TOKEN", TOKEN)
    away = everloop_here(here, "status", check=False)
    assert away.returncode == 2 and "does not answer" in away.stderr
    assert not (here / ".everloop").exists()


def check_endpoints(folder: Path) -> None:
    """The verb says the same of the endpoint, here or by the server."""
    (one,) = json.loads(everloop_here(folder, "endpoints", "--json").stdout)["endpoints"]
    assert (one["endpoint"]["name"], one["traffic"]["codes"]) == ("cells", {"200": 1})
    line = everloop_here(folder, "endpoints").stdout.splitlines()[-1].split()
    assert line[:3] == ["cells", "cells", "1"] and "answers" in line
    shown = everloop_here(folder, "endpoints", "cells").stdout
    assert "champion" in shown and "200: 1" in shown and "0 of at most" in shown
