"""Explanations over HTTP: ``POST /endpoints/NAME/explain`` and ``/v1/models/NAME:explain``.

An explanation asks the model about thousands of rows. So that nobody waits for somebody else's, one
is made at a time, beside the threads that predict; its rows and its time are bounded, and what
would have to queue for long is refused.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import msgspec

from everloop.deploy.attribution import EVALUATIONS, Explanation
from everloop.deploy.explainer import explain
from everloop.deploy.predictor import ModelFailure
from everloop.deploy.serving.endpoint import LiveArm, LiveEndpoint
from everloop.deploy.serving.http import Request, Response, json_response
from everloop.deploy.serving.openapi import (
    described,
    explanation_of,
    fields,
    listed,
    record_of,
)
from everloop.deploy.serving.protocols._bodies import sentence_response
from everloop.deploy.serving.routing import Route
from everloop.errors import InvalidInput, Unavailable, invalid

MOST_ROWS = 16
MOST_MS = 2_000.0  # of one request, by the speed that the model has shown
MOST_WAITING = 8


class Instances(msgspec.Struct, forbid_unknown_fields=True):
    """The body of the protocol that KServe calls v1."""

    instances: msgspec.Raw


def _described(endpoint: LiveEndpoint) -> dict[str, Any]:
    """Body and answer of v1 for OpenAPI."""
    body = fields({"instances": listed(record_of(endpoint))}, "instances")
    answer = fields({"explanations": listed(explanation_of(endpoint))}, "explanations")
    return described({"application/json": body}, answer)


class Explaining:
    """The handlers; :meth:`close` waits for the one under way."""

    def __init__(self, max_body: int) -> None:
        self._max_body = max_body
        self._pool = ThreadPoolExecutor(1, "everloop-explain")
        self._waiting = 0

    def routes(self) -> list[Route]:
        """By name, short for an endpoint that is alone, and as KServe has it."""
        return [
            Route("POST", "/explain", self.explain, endpoint=True),
            Route("POST", "/endpoints/{name}/explain", self.explain, endpoint=True),
            Route(
                "POST",
                "/v1/models/{name}:explain",
                self.explain_v1,
                True,
                error=sentence_response,
                describe=_described,
            ),
        ]

    async def explain(self, request: Request) -> Response:
        """``{"explanations": [...], "version": N}`` for the bodies that predict takes."""
        arm, found = await self._found(request, await request.body(self._max_body))
        return json_response({"explanations": found, "version": arm.version})

    async def explain_v1(self, request: Request) -> Response:
        """``{"instances": [...]}`` in, ``{"explanations": [...]}`` out."""
        body = await request.body(self._max_body)
        try:
            rows = bytes(msgspec.json.decode(body, type=Instances).instances)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise invalid(
                "body", f"<{len(body)} bytes>", f'{{"instances": [...]}} ({str(error)[:300]})',
                code="invalid_json", path="$",
            ) from None  # fmt: skip
        _, found = await self._found(request, rows)
        return json_response({"explanations": found})

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def _found(self, request: Request, body: bytes) -> tuple[LiveArm, list[Explanation]]:
        arm = request.asked_endpoint().pick(request.key)
        X = arm.model.reader.read(body).X
        if len(X) > MOST_ROWS:
            raise InvalidInput(
                f"$: got {len(X)} rows, expected at most {MOST_ROWS} to explain at once.",
                code="too_many_rows", path="$", got=len(X), expected=MOST_ROWS,
            )  # fmt: skip
        if self._waiting >= MOST_WAITING:
            raise Unavailable("The server explains as much as it can.", code="busy")
        rows = int(MOST_MS / max(arm.model.row_ms * len(X), 1e-6))
        work: Any = partial(
            explain, arm.model.predictor, X, arm.model.background,
            evaluations=max(1, min(EVALUATIONS, rows)),
        )  # fmt: skip
        self._waiting += 1
        try:
            return arm, await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except ModelFailure:
            raise ModelFailure(
                f"Version {arm.version} of the model failed on this request."
            ) from None
        finally:
            self._waiting -= 1
