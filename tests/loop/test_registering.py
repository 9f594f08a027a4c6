"""Models made elsewhere, to a version, to an endpoint, to answers: files, MLflow folders, URIs."""

from __future__ import annotations

import functools
import re
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import lightgbm
import mlflow
import numpy as np
import pandas as pd
import polars as pl
import pytest
from click.testing import CliRunner
from skl2onnx import to_onnx
from sklearn.linear_model import LinearRegression, LogisticRegression

import everloop as el
from everloop.cli import everloop as command
from everloop.cli._api import Within
from everloop.errors import EverloopError, Forbidden
from everloop.loop.batches.frames import predict_frame
from everloop.loop.project import Project
from everloop.server.app import create_app
from everloop.server.middleware.tokens import ALL, Principal

X = np.random.default_rng(0).normal(size=(200, 3))
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])
Y = X @ [1.0, 2.0, 3.0]
LATE = np.where(Y > 0, "yes", "no")


def predicted(folder: Path, reference: str) -> pl.DataFrame:
    with Project.open(folder) as project:
        return predict_frame(
            project, pl.DataFrame(FRAME.to_dict("list")), project.registry.resolve(reference)
        )


@pytest.fixture
def onnx_file(tmp_path):
    path = tmp_path / "made" / "model.onnx"
    path.parent.mkdir()
    model = LogisticRegression().fit(FRAME.to_numpy(np.float32), LATE)
    path.write_bytes(to_onnx(model, X[:1].astype(np.float32)).SerializeToString())
    return path


def test_a_file_becomes_a_version_that_answers(tmp_path, onnx_file) -> None:
    folder = tmp_path / "project"
    # Training rows have ids, times and more, of which the model's schema says nothing.
    FRAME.assign(id=range(len(FRAME)), made="2024-05-01").to_csv(tmp_path / "rows.csv", index=False)
    how = {"features": ["a", "b", "c"], "target": "late", "data": str(tmp_path / "rows.csv")}
    version = el.register(onnx_file, "trips", dir=folder, **how)
    assert el.register(onnx_file, "trips", dir=folder, **how).version == version.version == 1
    assert np.mean(predicted(folder, "trips/1")["y_pred"].to_numpy() == LATE) > 0.95
    done = el.promote("trips/1", dir=folder)
    assert (done.endpoint, done.applied) == ("trips", None)
    with Project.open(folder) as project:
        assert project.registry.alias("trips", "champion") == 1
        found, package = project.package(project.registry.version("trips", 1))
        assert (found / "background.npy").exists() and package.schema.classes == ("no", "yes")
        assert project.registry.version("trips", 1).tags == {
            "everloop.registered_from": str(onnx_file)
        }


def test_an_endpoint_of_another_model_is_not_taken(tmp_path, onnx_file) -> None:
    for name in ("one", "two"):
        el.register(onnx_file, name, dir=tmp_path)
    el.promote("one", "shared", dir=tmp_path)
    with pytest.raises(EverloopError, match="not of the model 'one'"):
        el.promote("two", "shared", dir=tmp_path)


def onnx_folder(path):
    model = LinearRegression().fit(FRAME.to_numpy(np.float32), Y)
    mlflow.onnx.save_model(
        to_onnx(model, X[:1].astype(np.float32)), path,
        signature=mlflow.models.infer_signature(FRAME, Y), pip_requirements=[],
    )  # fmt: skip


def lightgbm_folder(path):
    params = {"objective": "regression", "verbosity": -1}
    booster = lightgbm.train(params, lightgbm.Dataset(FRAME, Y), 50)
    mlflow.lightgbm.save_model(booster, path, pip_requirements=[])


def skops_folder(path):
    model = LinearRegression().fit(FRAME, Y)
    signature = mlflow.models.infer_signature(FRAME, Y)
    mlflow.sklearn.save_model(
        model, path, serialization_format="skops", signature=signature, pip_requirements=[]
    )


def pickled_folder(path):
    model = LinearRegression().fit(FRAME, Y)
    mlflow.sklearn.save_model(model, path, serialization_format="cloudpickle", pip_requirements=[])


@pytest.mark.parametrize("make", [onnx_folder, lightgbm_folder, skops_folder])
def test_safe_flavours_of_mlflow_answer_as_mlflow_does(tmp_path, make) -> None:
    make(tmp_path / "model")
    version = el.register(tmp_path / "model", "rent", dir=tmp_path / "project")
    wanted = np.ravel(mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(
        FRAME.astype(np.float32) if make is onnx_folder else FRAME
    ))  # fmt: skip
    got = predicted(tmp_path / "project", f"rent/{version.version}")["y_pred"].to_numpy()
    assert np.abs(got - wanted).max() < 1e-5


def test_pickles_are_refused_with_the_way_out(tmp_path) -> None:
    pickled_folder(tmp_path / "model")
    for source in (tmp_path / "model", tmp_path / "model" / "model.pkl"):
        with pytest.raises(Forbidden, match="--trust KEYNAME") as refusal:
            el.register(source, "rent", dir=tmp_path / "project")
        assert refusal.value.code == "pickled_model"


def test_a_folder_that_names_a_file_outside_is_refused(tmp_path) -> None:
    onnx_folder(tmp_path / "model")
    text = (tmp_path / "model" / "MLmodel").read_text()
    (tmp_path / "model" / "MLmodel").write_text(text.replace("data: model.onnx", "data: ../x.onnx"))
    with pytest.raises(EverloopError, match="a plain file in the model's folder"):
        el.register(tmp_path / "model", "rent", dir=tmp_path / "project")
    (tmp_path / "model" / "MLmodel").write_text("flavors: [1]")
    with pytest.raises(EverloopError, match="names no flavors"):
        el.register(tmp_path / "model", "rent", dir=tmp_path / "project")


def test_what_was_logged_here_is_registered_by_its_uri(tmp_path, onnx_file) -> None:
    with el.start_run("first", dir=tmp_path / "project") as run:
        run.log_artifact(onnx_file)
    version = el.register(f"runs:/{run.id}/model.onnx", "trips", dir=tmp_path / "project")
    assert version.version == 1


def test_the_command_line_registers_and_deploys(tmp_path, onnx_file) -> None:
    runner, at = CliRunner(), ["--dir", str(tmp_path)]
    said = runner.invoke(
        command, ["register", str(onnx_file), "--name", "trips", "--features", "a,b,c", *at]
    )
    assert "trips version 1 (skl2onnx) is registered." in said.output, said.output
    said = runner.invoke(command, ["deploy", "trips/1", *at])
    assert "is the champion of endpoint trips" in said.output, said.output
    FRAME.to_csv(tmp_path / "rows.csv", index=False)
    said = runner.invoke(command, ["predict", str(tmp_path / "rows.csv"), "--model", "trips", *at])
    assert said.output.count("yes") + said.output.count("no") == len(FRAME), said.output


def test_over_http_only_what_is_here_or_allowed(tmp_path, onnx_file) -> None:
    with el.start_run("first", dir=tmp_path) as run:
        run.log_artifact(onnx_file)
    with Project.open(tmp_path) as project:
        app = create_app(project, local=Principal("test", ALL, way=""))
        with httpx.Client(base_url="http://127.0.0.1/api/v1", transport=Within(app)) as http:
            path = "/models/trips/register"
            outside = http.post(path, json={"source": str(onnx_file)})
            gone = http.post(path, json={"source": str(tmp_path / "gone.onnx")})
            assert gone.status_code == 403
            assert (outside.status_code, outside.json()["error"]["code"]) == (
                403,
                "outside_the_fence",
            )
            source = f"runs:/{run.id}/model.onnx"
            types = http.post(path, json={"source": source, "allow": ["os.system"]})
            assert (types.status_code, types.json()["error"]["code"]) == (403, "types_not_allowed")
            made = http.post(path, json={"source": source, "features": ["a", "b", "c"]})
            assert (made.status_code, made.json()["version"]) == (201, 1), made.text
            done = http.post("/models/trips/versions/1/promote", json={})
            assert done.json()["endpoint"] == "trips", done.text


class Proxy(SimpleHTTPRequestHandler):
    """As much of an MLflow server as a registered version is read from."""

    def do_POST(self) -> None:
        self._tell(404 if "logged-models" in self.path else 200, "{}")

    def do_GET(self) -> None:
        if "get-download-uri" in self.path:
            self._tell(200, '{"artifact_uri": "mlflow-artifacts:/1/models/m-1/artifacts"}')
        elif "?path=" in self.path:
            names = sorted(Path(self.directory).iterdir())
            files = [f'{{"path": "{p.name}", "file_size": {p.stat().st_size}}}' for p in names]
            self._tell(200, '{"files": [' + ",".join(files) + "]}")
        else:
            self.path = "/" + self.path.rpartition("/")[2]
            super().do_GET()

    def _tell(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


def test_a_version_of_an_mlflow_server_is_fetched(tmp_path) -> None:
    skops_folder(tmp_path / "model")
    handler = functools.partial(Proxy, directory=str(tmp_path / "model"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        version = el.register("models:/rent/3", "rent", dir=tmp_path / "project", server=url)
        server.shutdown()
    assert version.version == 1
    assert np.allclose(predicted(tmp_path / "project", "rent/1")["y_pred"].to_numpy(), Y, atol=1e-5)


def test_code_of_ones_own_is_served_in_a_process_of_its_own(tmp_path) -> None:
    (tmp_path / "model.py").write_text("def predict(rows): return [r['d'] for r in rows]")
    with pytest.raises(EverloopError, match="--features"):
        el.register(tmp_path / "model.py", "own", dir=tmp_path / "project")
    with pytest.raises(EverloopError, match="KeyError: 'd'"):
        el.register(tmp_path / "model.py", "own", dir=tmp_path / "project", features=["a", "b"])
    (tmp_path / "model.py").write_text(
        "def predict(rows): return [r['a'] + 2 * (r['b'] or 0) - (r['c'] or 0) for r in rows]"
    )
    features = ["a", "b", "c"]
    el.register(tmp_path / "model.py", "own", dir=tmp_path / "project", features=features)
    got = predicted(tmp_path / "project", "own/1")["y_pred"].to_numpy()
    assert np.allclose(got, X @ [1, 2, -1])


def pickled_project(tmp_path):
    pickled_folder(tmp_path / "model")
    return {"dir": tmp_path / "project", "features": ["a", "b", "c"], "seconds": 60.0}


def test_a_pickle_runs_only_under_a_signature_and_behind_fences(tmp_path) -> None:
    how = pickled_project(tmp_path)
    with pytest.raises(EverloopError, match="in keys/trusted"):
        el.register(tmp_path / "model", "rent", **how, trust="alice")
    with Project.open(tmp_path / "alice") as alice, Project.open(how["dir"]) as project:
        (project.state / "keys" / "trusted").mkdir()
        public = (alice.state / "keys" / "signing.pub").read_bytes()
        (project.state / "keys" / "trusted" / "alice.pub").write_bytes(public)
        with pytest.raises(Forbidden, match="no signature by 'alice'") as refusal:
            el.register(tmp_path / "model", "rent", **how, trust="alice")
        digest = re.search(r"[0-9a-f]{64}", refusal.value.message)[0]
        (tmp_path / "model.sig").write_text(alice.keys.sign(digest.encode()))
    version = el.register(tmp_path / "model", "rent", **how, trust="alice")
    assert np.allclose(predicted(how["dir"], "rent/1")["y_pred"].to_numpy(), Y)
    with Project.open(how["dir"]) as project:
        assert project.package(version)[1].trust.key == "alice"
    (tmp_path / "model" / "model.pkl").write_bytes(b"other")
    with pytest.raises(Forbidden, match="no signature"):
        el.register(tmp_path / "model", "rent", **how, trust="alice")


def test_code_that_was_fetched_is_not_taken_for_ones_own(tmp_path) -> None:
    (tmp_path / "model.py").write_text("def predict(rows): return [1.0 for _ in rows]")
    with el.start_run("first", dir=tmp_path / "project") as run:
        run.log_artifact(tmp_path / "model.py")
    how = {"dir": tmp_path / "project", "features": ["a"]}
    with pytest.raises(EverloopError, match="LightGBM"):
        el.register(f"runs:/{run.id}/model.py", "own", **how)
    pickled_folder(tmp_path / "model")
    (tmp_path / "model" / "model.py").write_text("def predict(rows): return [1.0 for _ in rows]")
    with pytest.raises(Forbidden, match="pickle"):
        el.register(tmp_path / "model", "own", **how)
