"""What comes from the control plane is used when it is what was signed, and not else."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
import pytest

from everloop.deploy.package import MANIFEST, SIGNATURE
from everloop.deploy.serving.following import API, Follower, Published
from everloop.deploy.state import Arm, package_path, read_state, state_path
from everloop.errors import EverloopError, Integrity, Unavailable
from everloop.registry.signing import Keys


class Control:
    """Answers like a control plane, with what it is given."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = answers.get(unquote(urlsplit(self.path).path))
                self.send_response(404 if found is None else 200)
                self.end_headers()
                self.wfile.write(found or b"")

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def offered(project) -> Iterator[tuple[dict[str, bytes], Control]]:
    """What the project publishes: its state, key and package."""
    digest = project.linear()
    project.want(flights=[Arm(1, digest)])
    folder = package_path(project.state, digest)
    names = ["model.onnx", MANIFEST, SIGNATURE]
    public = (project.state / "keys" / "signing.pub").read_text()
    said = Published("1", read_state(state_path(project.state)), public, "ab" * 32)
    answers = {f"{API}/packages/{digest}/{name}": (folder / name).read_bytes() for name in names}
    answers[f"{API}/packages/{digest}"] = msgspec.json.encode(names)
    answers[f"{API}/state"] = msgspec.json.encode(said)
    control = Control(answers)
    yield answers, control
    control.server.shutdown()


def follower(control: Control, folder: Path) -> Follower:
    return Follower(control.url, "", folder, folder / "log", 1)


def test_what_is_signed_is_taken_over_whole(offered, tmp_path) -> None:
    _, control = offered
    edge = tmp_path / "edge"
    assert follower(control, edge).fetch()
    state = read_state(state_path(edge))
    (arm,) = state.endpoints["flights"].arms
    assert (package_path(edge, arm.digest) / "model.onnx").exists()
    assert (edge / "keys" / "log.key").stat().st_mode & 0o777 == 0o600
    assert not (edge / "keys" / "signing.key").exists()


@pytest.mark.parametrize("damage", ["model.onnx", MANIFEST, SIGNATURE, "names", "key"])
def test_what_is_not_signed_changes_nothing(offered, tmp_path, damage) -> None:
    answers, control = offered
    edge = tmp_path / "edge"
    listed = next(path for path in answers if len(path.rsplit("/", 1)[-1]) == 64)
    if damage == "names":
        answers[listed] = msgspec.json.encode(["../../../evil"])
    elif damage == "key":  # this machine trusts another project
        Keys.load_or_create(edge / "keys")
    else:
        answers[f"{listed}/{damage}"] = answers[f"{listed}/{damage}"][:-9] + b"something"
    with pytest.raises(EverloopError) as refused:
        follower(control, edge).fetch()
    assert isinstance(refused.value, Integrity)
    assert not state_path(edge).exists()
    assert list((edge / "packages").iterdir()) == []
    assert not (tmp_path / "evil").exists()


def test_a_control_plane_that_is_away_is_said(tmp_path) -> None:
    alone = Follower("http://127.0.0.1:9", "", tmp_path, tmp_path / "log", 1)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        alone.fetch()
