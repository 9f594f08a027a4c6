"""An endpoint is exported, its libraries are installed in a fresh venv, and it answers there."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile

import httpx
import pytest
from click.testing import CliRunner
from processes import everloop, up

from everloop.cli import command_of
from everloop.loop.exporting import KINDS
from ports import free_port


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A project whose endpoint has a first version, and a row to ask about."""
    from sklearn.datasets import load_diabetes

    folder = tmp_path_factory.mktemp("exported")
    data = load_diabetes(as_frame=True).frame
    data.to_csv(folder / "diabetes.csv", index=False)
    everloop(folder, "train", "diabetes.csv")
    return folder, json.loads(data.drop(columns="target").head(1).to_json(orient="records"))


def test_the_entry_point_answers_in_a_fresh_venv(trained, tmp_path):
    folder, row = trained
    said = everloop(folder, "export", "docker", "--out", str(tmp_path / "image")).stdout
    assert "docker build" in said
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    pip = [sys.executable, "-m", "pip", "--python", venv / "bin/python", "install", "--quiet"]
    wheels = ["--no-compile", "--only-binary", ":all:"]
    subprocess.run([*pip, *wheels, "-r", tmp_path / "image/requirements.txt"], check=True)
    app = tmp_path / "image/app"
    for path in [app, *app.rglob("*")]:  # as in an image whose root is read-only
        path.chmod(0o555 if path.is_dir() else 0o444)
    port = free_port()
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "PORT": str(port), "EVERLOOP_TOKEN": "secret", "EVERLOOP_LOG_DIR": str(tmp_path / "log"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    process = subprocess.Popen(
        [venv / "bin/python", app / "serve.py"], env=environment, cwd="/",
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert "ready" in process.stdout.readline()
        url = f"http://127.0.0.1:{port}"
        assert httpx.post(f"{url}/predict", json=row).status_code == 401
        bearer = {"authorization": "Bearer secret"}
        answer = httpx.post(f"{url}/predict", json=row, headers=bearer)
        assert answer.status_code == 200, answer.text
        assert 0 < answer.json()["y_pred"][0] < 1000
        health = subprocess.run([venv / "bin/python", app / "health.py"], env=environment)
        assert health.returncode == 0
    finally:
        process.terminate()
        assert process.wait(60) == 0
    assert list((tmp_path / "log/predictions").glob("*.seg"))


def test_every_kind_from_the_command_line(trained, tmp_path, monkeypatch):
    folder, _ = trained
    monkeypatch.chdir(folder)
    for kind in KINDS:
        runs_one = kind not in ("docker", "prometheus", "grafana")
        image = ["--image", "registry.example/diabetes:1"] if runs_one else []
        out = tmp_path / kind
        said = CliRunner().invoke(command_of("export"), [kind, *image, "--out", str(out), "--json"])
        assert said.exit_code == 0, said.output
        assert all((out / name).is_file() for name in json.loads(said.stdout)["files"])
    refused = everloop(folder, "export", "kubernetes", check=False)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: image: got <nothing>")


def test_an_archive_over_http(trained):
    folder, _ = trained
    with up(folder) as running:
        base = "/api/v1/endpoints/diabetes/export"
        answer = running.api.get(f"{base}/kserve?image=a/b:1&canary_image=a/b:2&canary_percent=5")
        with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
            assert archive.getnames() == ["diabetes-kserve.yaml"]
        for path in ("podman", "kserve?image=a/b:1&colour=red", "kserve", "helm?image=a/b&port=x"):
            refused = running.api.get(f"{base}/{path}")
            assert (refused.status_code, bool(refused.json()["error"]["message"])) == (422, True)
        assert running.api.get("/api/v1/endpoints/nobody/export/docker").status_code == 404
