"""The protocols of others, asked by their own clients: KServe's, Triton's and MLflow's."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from client_rows import RECORDS, ROWS, TRIP
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from serving_harness import Serving

from everloop.deploy.attribution import background_rows
from everloop.deploy.state import Arm
from ports import free_port

EXPECTED = [(row @ [1, 2, 3, 4]).item() for row in ROWS]


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """An interpreter with the clients in an environment of their own.

    They need another protobuf than the one that is installed here; whatever else they share with
    this environment they take from it.
    """
    venv = tmp_path_factory.mktemp("clients") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = venv / "bin/python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    pip += ["--no-deps", "--no-compile"]
    wanted = Path(__file__).with_name("clients.txt")
    subprocess.run([*pip, "--only-binary", ":all:", "-r", wanted], check=True)
    (own,) = venv.glob("lib/*/site-packages")
    (own / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.fixture(scope="module")
def serving(shared_project, models):
    background = background_rows(np.random.default_rng(3).normal(size=(32, 4)))
    flights = shared_project.package(
        models.onnx(models.linear(), 4), models.NUMBERS, background_npy=background
    )
    shared_project.want(flights=[Arm(1, flights)], trips=[Arm(4, shared_project.mixed())])
    port = free_port()
    serving = Serving(shared_project.folder, "--grpc-port", str(port))
    serving.rpc = f"127.0.0.1:{port}"
    yield serving
    assert serving.stop() == 0


def told(python: Path, script: str, serving: Serving) -> dict:
    """What a script of this folder prints."""
    command = [python, Path(__file__).with_name(script), serving.url, serving.rpc]
    done = subprocess.run(command, text=True, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def close(found) -> None:
    np.testing.assert_allclose(found, EXPECTED, atol=1e-4)


def test_the_clients_of_kserve_and_triton(python, serving):
    """In one test, since each process of tests would make the environment anew."""
    check_kserve(python, serving)
    check_triton(python, serving)


def check_kserve(python, serving):
    said = told(python, "kserve_calls.py", serving)
    v1, v2, rpc = said["v1"], said["v2"], said["grpc"]
    assert v1["live"] and v1["ready"] and v2["live"] and v2["ready"] and v2["model"]
    assert not v2["away"]
    close(v1["predict"])
    close([one["y_pred"] for one in v1["explain"]])
    assert "$.instances[0].x1" in v1["refused"] and "400" in v1["refused"]
    assert rpc["live"] and rpc["ready"] and rpc["model"]
    native = serving.predict([TRIP], "trips", params={"include": "probabilities"}).json()
    for over in (v2, rpc):
        for form in ("lists", "bytes", "half", "single", "answer"):
            close(over[form]["predict"])
        for form in ("columns", "texts", *(["mixed"] if over is v2 else [])):
            assert over[form]["predict"] == native["y_pred"] * 2, form
            np.testing.assert_allclose(over[form]["predict_proba"], native["probabilities"] * 2)
    binary = {form for form, found in v2.items() if isinstance(found, dict) and found["json"]}
    assert binary == {"bytes", "single", "answer", "columns", "texts", "mixed"}


def check_triton(python, serving):
    said = told(python, "triton_calls.py", serving)
    native = serving.predict([TRIP], "trips", params={"include": "probabilities"}).json()
    for over, found in said.items():
        assert found["live"] and found["ready"] and found["model"] and found["loaded"], over
        assert not found["away"] and not found["unloaded"], over
        close(found["predict"])
        close(found["gzip"])
        assert found["label"] == native["y_pred"], over
        np.testing.assert_allclose(found["proba"], native["probabilities"])
        assert "$.inputs.X.shape" in found["refused"], over
        assert "flights" in found["unknown"], over
        assert [one["name"] for one in found["metadata"]["outputs"]] == ["predict", "predict_proba"]
        assert {(one["name"], one["state"]) for one in found["index"]} == {
            ("flights", "READY"),
            ("trips", "READY"),
        }
    close(said["http"]["deflate"])
    requests = {record["request"] for record in serving.records()}
    assert "r-1" in requests


def test_the_client_of_mlflow(project, start):
    project.want(flights=[Arm(1, project.linear())])
    serving = start(project.folder)
    client = ScoringServerClient("127.0.0.1", serving.port)
    client.wait_server_ready(timeout=20)
    close(client.invoke(pd.DataFrame(RECORDS)).get_predictions()[0])
    close(client.invoke(ROWS).get_predictions()[0])
    with pytest.raises(Exception, match=r"dataframe_split\.x1"):
        client.invoke(pd.DataFrame({"x0": [1.0]}))
