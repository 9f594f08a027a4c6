"""Paths find their handlers; names in them reach the request."""

from __future__ import annotations

import pytest

from everloop.deploy.serving.routing import REMEMBERED, Route, Router
from everloop.errors import NotFound


async def handler(request):
    raise AssertionError("nobody asks")


ROUTER = Router(
    [
        Route("GET", "/v1/models/{name}", handler),
        Route("POST", "/v1/models/{name}:predict", handler),
        Route("POST", "/v1/models/{name}/versions/{version}:predict", handler),
        Route("GET", "/ready", handler),
        Route("POST", "/ready", handler),
    ]
)


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/v1/models/a.b", {"name": "a.b"}),
        ("/v1/models/a:predict", {"name": "a"}),
        ("/v1/models/a/versions/3:predict", {"name": "a", "version": "3"}),
        ("/ready", {}),
    ],
)
def test_a_path_is_found_with_its_names(path, params):
    assert ROUTER.find(path).params == params
    assert ROUTER.find(path).params == params  # and again, from memory


@pytest.mark.parametrize("path", ["/v1/models/", "/v1/models/a/b", "/v1/models/a:fly", "", "/r"])
def test_another_path_is_refused_with_the_nearest(path):
    with pytest.raises(NotFound) as refusal:
        ROUTER.find(path)
    assert refusal.value.code == "route_not_found"


def test_a_path_has_a_handler_for_each_method_and_head_is_answered_as_get():
    found = ROUTER.find("/ready")
    assert set(found.methods) == {"GET", "POST"}
    assert found.route("HEAD") is found.methods["GET"]
    assert found.route("PUT") is None


def test_many_paths_cost_no_memory():
    router = Router([Route("GET", "/{name}", handler)])
    for number in range(3 * REMEMBERED):
        router.find(f"/{number}")
    assert len(router._known) <= REMEMBERED


def test_two_handlers_of_one_path_are_a_mistake():
    with pytest.raises(ValueError, match="two handlers"):
        Router([Route("GET", "/a", handler), Route("GET", "/a", handler)])
