"""What every protocol does with a request for predictions, whatever form it has.

A protocol reads its body and hands over how that becomes rows; it gets back the answer, the
headers that all answers carry, and what is to happen once the reply has left.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from everloop.deploy.serving.core import Answer, Call, Core, Read
from everloop.deploy.serving.endpoint import LiveEndpoint
from everloop.deploy.serving.http import Header, Request
from everloop.deploy.serving.shadows import Shadows


class Answered(NamedTuple):
    """``headers`` name the request and the version; ``after`` is for the response."""

    answer: Answer
    headers: list[Header]
    after: Callable[[], None] | None


class Asking:
    """Asks the core on behalf of the protocols of one process."""

    def __init__(self, core: Core, shadows: Shadows, max_body: int) -> None:
        self.core = core
        self.max_body = max_body
        self._shadows = shadows

    def body(self, request: Request) -> Awaitable[bytes]:
        """The request's body, within the limit of the settings."""
        return request.body(self.max_body)

    async def answer(
        self, request: Request, read: Read, size: int, version: int | None = None
    ) -> Answered:
        """Predict at ``request.endpoint``; see :meth:`ask`. ``size`` is the body's, in bytes."""
        endpoint = request.asked_endpoint()
        call = Call(request.id, request.key, request.started, size, request.deadline)
        named = None if version is None else endpoint.arm(version)
        answer = await self.core.answer(endpoint, read, call, named)
        request.version = answer.version
        return self._answered(answer, endpoint, call, read)

    async def ask(
        self, endpoint: LiveEndpoint, call: Call, read: Read, version: int | None = None
    ) -> Answered:
        """Predict; by ``version`` where the caller names one.

        Raises what :meth:`Core.answer` does, and NotFound for a version that is not loaded.
        """
        named = None if version is None else endpoint.arm(version)
        answer = await self.core.answer(endpoint, read, call, named)
        return self._answered(answer, endpoint, call, read)

    def _answered(self, answer: Answer, endpoint: LiveEndpoint, call: Call, read: Read) -> Answered:
        headers = [
            ("x-request-id", call.request),
            ("x-everloop-version", str(answer.version)),
        ]
        after = partial(self._shadows.offer, endpoint, read, call) if endpoint.shadows else None
        return Answered(answer, headers, after)
