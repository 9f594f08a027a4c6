"""The model repository extension of the Open Inference Protocol: index, load, unload.

The desired state says which endpoints there are; unloading one frees its memory in this process
until it is loaded again or the process starts anew.
"""

from __future__ import annotations

from typing import Any

from everloop.deploy.serving.fleet import Fleet
from everloop.deploy.serving.http import Request, Response, json_response
from everloop.deploy.serving.protocols._bodies import sentence_response
from everloop.deploy.serving.routing import Handler, Route


class Repository:
    """The routes of the extension over REST."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def routes(self) -> list[Route]:
        """All are POST, as the extension has it."""

        def route(path: str, handler: Handler) -> Route:
            return Route("POST", f"/v2/repository/{path}", handler, error=sentence_response)

        return [
            route("index", self.index),
            route("models/{name}/load", self.load),
            route("models/{name}/unload", self.unload),
        ]

    async def index(self, request: Request) -> Response:
        """``POST /v2/repository/index``: every model, and whether it answers."""
        return json_response(index(self._fleet))

    async def load(self, request: Request) -> Response:
        """``POST /v2/repository/models/M/load``"""
        await self._fleet.load(request.params["name"])
        return json_response({"model_name": request.params["name"], "isLoaded": True})

    async def unload(self, request: Request) -> Response:
        """``POST /v2/repository/models/M/unload``"""
        await self._fleet.unload(request.params["name"])
        return json_response({"model_name": request.params["name"], "isUnloaded": True})


def index(fleet: Fleet, only_ready: bool = False) -> list[dict[str, Any]]:
    """One entry a version of each model that answers, and one for each that does not."""
    known = fleet.arms
    found = [
        {"name": name, "version": str(arm.version), "state": "READY", "reason": ""}
        for name, arms in known.items()
        for arm in arms
    ]
    if only_ready:
        return found
    for name in sorted(fleet.wanted - known.keys()):
        reason = fleet.errors.get(name, "unloaded")
        found.append({"name": name, "version": "", "state": "UNAVAILABLE", "reason": reason})
    return found
