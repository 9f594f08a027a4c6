"""A small client of MLflow's REST protocol: retries, pages and streams."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import httpx
import msgspec

from everloop.errors import Conflict, EverloopError, InvalidInput, NotFound, Unavailable, invalid
from everloop.registry.records import PROMPT
from everloop.tracking.moving.fence import Fence

ATTEMPTS = 5
API = "/api/2.0/mlflow/"
PROMPTS = f"tags.`{PROMPT}` = 'true'"
"""The filter of registered models that are prompts."""

_AGAIN = {429, 500, 502, 503, 504}
_TAKEN = "RESOURCE_ALREADY_EXISTS"


class MlflowServer:
    """The server at ``url``; may be used by several threads.

    A user and password come from the address or from ``MLFLOW_TRACKING_USERNAME`` and
    ``…_PASSWORD``, a token from ``MLFLOW_TRACKING_TOKEN``, as MLflow's own client takes them.
    """

    def __init__(self, url: str, fence: Fence | None = None) -> None:
        parts = urlsplit(url)
        if not parts.hostname:
            raise invalid("address", url, "such as http://host:5000")
        host = parts.netloc.rpartition("@")[2]
        self.shown = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        # Behind a fence the address is somebody else's, whom our own passwords are no business of.
        ours = os.environ if fence is None else {}
        user = parts.username or ours.get("MLFLOW_TRACKING_USERNAME")
        password = parts.password or ours.get("MLFLOW_TRACKING_PASSWORD") or ""
        token = ours.get("MLFLOW_TRACKING_TOKEN")
        self.http = httpx.Client(
            base_url=self.shown,
            auth=(user, password) if user else None,
            headers={"authorization": f"Bearer {token}"} if token and not user else {},
            timeout=httpx.Timeout(120, connect=10),
            transport=fence.transport() if fence is not None else None,
        )
        self.ask("POST", "experiments/search", {"max_results": 1})
        self.has_logged_models = self._has_logged_models()

    def ask(
        self, method: str, path: str, asked: Mapping[str, Any], missing: Any = None
    ) -> dict[str, Any]:
        """The JSON answer to a request; ``missing``, when it is given, for a 404.

        Raises :class:`~everloop.errors.Unavailable` when the server is away,
        :class:`~everloop.errors.Conflict` for a name that is taken, otherwise
        :class:`~everloop.errors.InvalidInput` with what the server said.
        """
        where = path if path.startswith("/") else API + path
        body = {"params": asked} if method in ("GET", "DELETE") else {"json": asked}
        answer = self._send(lambda: self.http.request(method, where, **body))  # type: ignore[arg-type]
        if answer.status_code == 404 and missing is not None:
            return dict(missing)
        if answer.is_error:
            raise self._refused(where, answer)
        try:
            found: dict[str, Any] = msgspec.json.decode(answer.content or b"{}", type=dict)
        except msgspec.DecodeError:
            raise InvalidInput(
                f"{self.shown}{where} answers with something that is not JSON; is it MLflow?",
                code="not_mlflow",
            ) from None
        return found

    def pages(
        self, method: str, path: str, asked: Mapping[str, Any], field: str
    ) -> Iterator[dict[str, Any]]:
        """What all pages of a listing hold."""
        token = ""
        while True:
            page = self.ask(method, path, {**asked, "page_token": token} if token else asked)
            yield from page.get(field, ())
            token = page.get("next_page_token") or ""
            if not token:
                return

    def versions(self, name: str, prompt: bool) -> Iterator[dict[str, Any]]:
        """The versions of a registered model, or of a prompt, which must be asked for."""
        quote = '"' if "'" in name else "'"
        where = f"name = {quote}{name}{quote}" + (f" AND {PROMPTS}" if prompt else "")
        asked = {"filter": where, "max_results": 1000}
        return self.pages("GET", "model-versions/search", asked, "model_versions")

    def stream(self, path: str, asked: Mapping[str, Any]) -> Iterator[bytes]:
        """The bytes of a file."""
        with self.http.stream("GET", quote(path), params=asked) as answer:
            if answer.is_error:
                answer.read()
                raise self._refused(path, answer)
            yield from answer.iter_bytes(1024 * 1024)

    def put(self, path: str, pieces: Iterator[bytes]) -> None:
        """Send a file."""
        answer = self.http.put(quote(path), content=pieces)
        if answer.is_error:
            raise self._refused(path, answer)

    def close(self) -> None:
        self.http.close()

    def _has_logged_models(self) -> bool:
        asked = {"experiment_ids": ["0"], "max_results": 1}
        try:
            self.ask("POST", "logged-models/search", asked)
        except NotFound:
            return False
        return True

    def _send(self, call: Any) -> httpx.Response:
        for attempt in range(ATTEMPTS):
            try:
                answer: httpx.Response = call()
                if answer.status_code not in _AGAIN or attempt == ATTEMPTS - 1:
                    return answer
            except httpx.TransportError as error:
                if attempt == ATTEMPTS - 1 or isinstance(error, httpx.ConnectError):
                    raise Unavailable(
                        f"The server {self.shown} does not answer: {error}.",
                        code="server_unavailable",
                        fix="Check the address and that the server is up.",
                    ) from None
            time.sleep(0.2 * 2**attempt)
        raise AssertionError("unreachable")

    def _refused(self, where: str, answer: httpx.Response) -> EverloopError:
        try:
            said = msgspec.json.decode(answer.content, type=dict[str, Any])
        except msgspec.DecodeError:
            said = {}
        code, message = said.get("error_code"), said.get("message") or answer.reason_phrase
        sentence = f"{self.shown}{where} answered {answer.status_code}: {str(message)[:500]}"
        if answer.status_code == 404:
            return NotFound(sentence, code="not_at_server")
        if answer.status_code in _AGAIN:
            return Unavailable(sentence, code="server_unavailable")
        if code == _TAKEN:
            return Conflict(sentence, code="taken_at_server")
        return InvalidInput(sentence, code="server_refused", got=code)
