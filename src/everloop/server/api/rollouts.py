"""Rollouts of an endpoint, and a person's word on the one that is under way."""

from __future__ import annotations

from everloop.deploy.rollouts import Do, Rollout, Wish
from everloop.server.api.cycles import WordBody
from everloop.server.call import Call, Page, page

__all__ = ["WordBody", "get", "listing", "pause", "promote", "resume", "rollback"]


def listing(call: Call) -> Page:
    limit, endpoint = call.limit(), call.path["endpoint"]
    found = call.project.rollouts.page(endpoint, before=call.before(), limit=limit)
    return page(found, limit, "began")


def get(call: Call) -> Rollout:
    return call.project.rollouts.get(call.path["rollout"])


def pause(call: Call) -> Rollout:
    return _ask(call, "pause")


def resume(call: Call) -> Rollout:
    return _ask(call, "resume")


def promote(call: Call) -> Rollout:
    return _ask(call, "promote")


def rollback(call: Call) -> Rollout:
    return _ask(call, "rollback")


def _ask(call: Call, do: Do) -> Rollout:
    return call.project.rollouts.ask(call.path["rollout"], Wish(do, call.actor, call.body.comment))
