"""A client of MLflow's protocol that knows no more than its paths."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from starlette.types import ASGIApp

BASE = "http://127.0.0.1:5050"
API = "/api/2.0/mlflow/"


class Wire:
    """Asks an application in this process; a path without a slash is below ``/api/2.0/mlflow/``."""

    def __init__(self, app: ASGIApp, base: str = BASE) -> None:
        self.app = app
        self.base = base

    def ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=self.base) as client:
                url = path if path.startswith("/") else API + path
                return await client.request(method, url, **arguments)

        return asyncio.run(send())

    def post(self, path: str, **message: Any) -> dict[str, Any]:
        """The answer to a message that must be taken."""
        return self._taken(self.ask("POST", path, json=message))

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """The answer to a query that must be taken."""
        return self._taken(self.ask("GET", path, params=query))

    def refused(self, path: str, method: str = "POST", **message: Any) -> tuple[int, str, str]:
        """Status, error code and message of a refusal."""
        key = "params" if method == "GET" else "json"
        answer = self.ask(method, path, **{key: message})
        body = answer.json()
        assert set(body) == {"error_code", "message"}, body
        return answer.status_code, body["error_code"], body["message"]

    def run(self, experiment_id: str = "0", **message: Any) -> dict[str, Any]:
        """A new run."""
        run: dict[str, Any] = self.post("runs/create", experiment_id=experiment_id, **message)[
            "run"
        ]
        return run

    def _taken(self, answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body


def by_key(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """Tags, params or metrics of an answer."""
    return {pair["key"]: pair["value"] for pair in pairs}
