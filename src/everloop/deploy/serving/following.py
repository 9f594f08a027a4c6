"""A data plane on another machine than its control plane.

What it needs comes over HTTP and is kept: the desired state by long poll, packages by their
digest, checked with their signature before any of it is used. Its log goes back the same way. All
of it goes on from where it was after either side was away or killed, and none of it is in the way
of an answer: two threads do it.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from everloop.data.segments import is_open, list_segments
from everloop.deploy.package import (
    MANIFEST,
    SIGNATURE,
    check_file_name,
    read_manifest,
    read_package,
)
from everloop.deploy.serving.journal import KINDS
from everloop.deploy.serving.redaction import KEY
from everloop.deploy.serving.standing import Standing
from everloop.deploy.state import DesiredState, package_path, state_path, write_state
from everloop.errors import EverloopError, Integrity, Unavailable
from everloop.registry.signing import Keys
from everloop.replacing import replacing

API = "/api/v1/data-plane"
WAIT_S = 20  # that the control plane holds a question for news
REPORT_S = 1.0
RETRY_S = 1.0
CHUNK = 1 << 20  # bytes of the log in one request

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Published(msgspec.Struct, frozen=True):
    """What the control plane hands out; ``log_key`` is "" where nothing is hashed."""

    etag: str
    state: DesiredState
    public_key: str  # PEM
    log_key: str = ""


class Size(msgspec.Struct, frozen=True):
    """How many bytes of a segment the control plane holds safely."""

    size: int


class Follower:
    """Follows the control plane at ``url``; keeps what it says below ``state``.

    Attributes
    ----------
    error : why the newest state is not here, "" when it is.
    """

    def __init__(self, url: str, token: str, state: Path, log: Path, port: int) -> None:
        self.error = ""
        self._url = urlsplit(url)
        self._token = token
        self._state = state
        self._log = log
        self._name = f"{socket.gethostname()}-{port}"
        self._etag = ""
        self._sent: dict[str, int] = {}
        self._ended = threading.Event()
        self._shipping = threading.Lock()

    def start(self, standing: Callable[[], Standing]) -> None:
        """Follow, report and ship from now on, until the process ends."""
        for work in (self._follow, lambda: self._send(standing)):
            threading.Thread(target=work, name="everloop-follow", daemon=True).start()

    def fetch(self, wait: int = 0) -> bool:
        """Bring the newest state here, its packages first; False when there is no news.

        Raises :class:`~everloop.errors.EverloopError`; what was here before then stays in force.
        """
        path = f"{API}/state?wait={wait}&after={self._etag}"
        status, body = self._ask("GET", path, timeout=wait + 10)
        if status == 204:
            return False
        said = _decode(body, Published)
        keys = self._keys(said)
        for endpoint in said.state.endpoints.values():
            for arm in endpoint.arms:
                self._package(arm.digest, keys)
        write_state(state_path(self._state), said.state)
        self._etag = said.etag
        return True

    def ship(self) -> None:
        """Send what of the log is not there yet; delete segments that are there in full."""
        with self._shipping:
            for kind in KINDS:
                for path in list_segments(self._log / kind):
                    self._ship(kind, path)

    def close(self) -> None:
        """Send the rest, as far as the control plane takes it now."""
        self._ended.set()
        try:
            self.ship()
        except EverloopError as error:
            _log.warning("the log stays here until the next start: %s", error.message)

    # -- threads ---------------------------------------------------------------------------------

    def _follow(self) -> None:
        while not self._ended.is_set():
            try:
                self.fetch(WAIT_S)
                self.error = ""
            except Exception as error:  # whatever is wrong, what is here goes on
                self._failed(error)
                self._ended.wait(RETRY_S)

    def _send(self, standing: Callable[[], Standing]) -> None:
        while not self._ended.wait(REPORT_S):
            try:
                body = msgspec.json.encode(standing())
                self._ask("PUT", f"{API}/planes/{quote(self._name)}", body)
                self.ship()
            except Exception as error:
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        said = error.message if isinstance(error, EverloopError) else str(error)
        if said != self.error:
            _log.warning("following %s: %s", self._url.netloc, said)
        self.error = said

    # -- packages --------------------------------------------------------------------------------

    def _keys(self, said: Published) -> Keys:
        """The keys that are here; the first time, those of the control plane are taken."""
        folder = self._state / "keys"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not any(folder.glob("signing.*")) and not any(folder.glob("trusted/*.pub")):
            _replace(folder / "signing.pub", said.public_key)
        secret = folder / KEY
        if said.log_key and (not secret.exists() or secret.read_text("ascii") != said.log_key):
            _replace(secret, said.log_key)
        return Keys.load(folder)

    def _package(self, digest: str, keys: Keys) -> None:
        folder = package_path(self._state, digest)
        if folder.exists():
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = folder.with_name(f".{digest}.{os.urandom(4).hex()}")
        try:
            _, listed = self._ask("GET", f"{API}/packages/{digest}")
            for name in _decode(listed, list[str]):
                if name not in (MANIFEST, SIGNATURE):
                    check_file_name(name)
                _, data = self._ask("GET", f"{API}/packages/{digest}/{quote(name)}", timeout=300)
                (fresh / name).parent.mkdir(parents=True, exist_ok=True)
                (fresh / name).write_bytes(data)
            if hashlib.sha256(read_manifest(fresh)).hexdigest() != digest:
                raise Integrity(f"the package that came as {digest[:12]} has another digest.")
            read_package(fresh, keys)
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    # -- the log ---------------------------------------------------------------------------------

    def _ship(self, kind: str, path: Path) -> None:
        address = f"{API}/log/{kind}/{path.name}"
        if path.name not in self._sent:
            self._sent[path.name] = _decode(self._ask("GET", address)[1], Size).size
        complete = not is_open(path)  # before its size is read: it may grow no more
        size = path.stat().st_size
        with path.open("rb") as file:
            while (at := self._sent[path.name]) < size:
                file.seek(at)
                self._sent.pop(path.name)  # unknown, should the answer not come
                _, body = self._ask("PUT", f"{address}?offset={at}", file.read(CHUNK))
                self._sent[path.name] = _decode(body, Size).size
        if complete:
            path.unlink()
            del self._sent[path.name]

    def _ask(
        self, method: str, path: str, body: bytes | None = None, timeout: float = 10
    ) -> tuple[int, bytes]:
        """Status and body of an answer below 300. Raises Unavailable for any other, or none."""
        secure = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(self._url.netloc, timeout=timeout)
        headers = {"authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            connection.request(method, self._url.path.rstrip("/") + path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise _away(self._url.netloc, str(error)) from None
        finally:
            connection.close()
        if answer.status >= 300:
            raise _away(
                self._url.netloc, f"{answer.status} {data[:300].decode('utf-8', 'replace')}"
            )
        return answer.status, data


def _away(place: str, why: str) -> Unavailable:
    return Unavailable(f"The control plane at {place} does not answer: {why}", code="control_away")


def _decode(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise Integrity(f"The control plane's answer cannot be read: {error}.") from None


def _replace(path: Path, text: str) -> None:
    """Write a file that its owner alone may read."""
    with replacing(path) as fresh:
        fresh.touch(mode=0o600)
        fresh.write_text(text)
