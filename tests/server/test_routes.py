"""The route table: permissions, errors, the OpenAPI document."""

from __future__ import annotations

import logging

import pytest
from server_helpers import Client, Connect

from everloop.errors import (
    Conflict,
    EverloopError,
    Forbidden,
    Integrity,
    InvalidInput,
    MissingExtra,
    NotFound,
    TooLarge,
    Unavailable,
)
from everloop.loop.project import Project
from everloop.server.call import Call
from everloop.server.routes import ROUTES
from everloop.server.routing import Route


def test_every_route_names_its_permission_and_says_what_it_does() -> None:
    for route in ROUTES:
        assert route.permission in ("public", "read", "decide", "write", "admin"), route.path
        assert route.summary and not route.summary.endswith("."), route.path
    assert len({(r.method, r.path) for r in ROUTES}) == len(ROUTES)


def test_what_changes_something_is_never_open_to_readers() -> None:
    version = "/api/v1/models/{model}/versions/{version}"
    harmless = {"/api/v1/check", "/api/v1/loops/{loop}/predict"}
    harmless |= {
        "/sign-in",
        "/sign-out",
        "/access",
    }  # of one's own sessions; else it asks for admin
    harmless.add("/endpoints/{endpoint}/try")  # asks as any caller may
    harmless |= {version + "/explain", version + "/counterfactual"}  # their rows need a body
    harmless.add("/runs/compared")  # only leads to a page
    for route in ROUTES:
        if route.method != "GET" and route.path not in harmless:
            assert route.permission in ("decide", "write", "admin"), route.path


def test_a_route_without_a_permission_is_denied(connect: Connect) -> None:
    client = connect(routes=[Route("GET", "/open", lambda call: "secret")])
    answer = client.get("/open")
    assert answer.status_code == 403
    assert "names no permission" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "route",
    [r for r in ROUTES if r.permission != "public"],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_no_route_answers_without_the_token(connect: Connect, route: Route) -> None:
    path = route.path.replace("{", "").replace("}", "")
    answer = connect(token="s3cret").request(route.method, path)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidInput("x"), 422), (InvalidInput("x", code="invalid_json"), 400),
        (TooLarge("x"), 413), (NotFound("x"), 404), (Conflict("x"), 409), (Forbidden("x"), 403),
        (Integrity("x"), 500), (Unavailable("x"), 503), (MissingExtra("x", "y"), 501),
        (EverloopError("x"), 400),
    ],
    ids=lambda value: repr(value),
)  # fmt: skip
def test_each_class_of_error_has_its_status(
    connect: Connect, error: EverloopError, status: int
) -> None:
    def fail(call: Call) -> None:
        raise error

    answer = connect(routes=[Route("GET", "/fail", fail, "public")]).get("/fail")
    assert answer.status_code == status
    assert answer.json() == {"error": error.to_dict()}


def test_a_surprise_shows_no_inside(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    def fail(call: Call) -> None:
        raise RuntimeError("password=hunter2")

    with caplog.at_level(logging.ERROR):
        answer = connect(routes=[Route("GET", "/fail", fail, "public")]).get("/fail")
    assert answer.status_code == 500
    assert answer.json()["error"]["request"] == answer.headers["x-request-id"]
    assert "hunter2" not in answer.text and "Traceback" not in answer.text
    assert answer.headers["x-request-id"] in caplog.text and "hunter2" in caplog.text


def test_nowhere_and_wrong_methods(client: Client) -> None:
    assert client.get("/nowhere").json()["error"]["code"] == "no_route"
    wrong = client.delete("/api/v1/status")
    assert wrong.status_code == 405
    assert "GET" in wrong.headers["allow"]
    assert wrong.json()["error"]["code"] == "method_not_allowed"


def test_browsers_get_a_page_and_programs_json(client: Client) -> None:
    page = client.get("/cycles/<b>x", headers={"accept": "text/html"})
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "<b>x" not in page.text and "&lt;b&gt;x" in page.text
    program = client.get("/api/v1/cycles/x", headers={"accept": "text/html"})
    assert program.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status", "path"),
    [
        (b"{", 400, "$"),
        (b'{"text": 1}', 422, "$.text"),
        (b"{}", 422, "$"),
        (b'{"text": "", "more": 1}', 422, "$"),
        (b"[]", 422, "$"),
        (b'{"text": ' + 100_000 * b"[", 422, "$.text"),
        (b"\xff\xfe", 400, "$"),
        (b"", 422, "$"),
    ],
)
def test_bad_bodies_are_named(client: Client, body: bytes, status: int, path: str) -> None:
    answer = client.post("/api/v1/check", content=body)
    assert (answer.status_code, answer.json()["error"]["path"]) == (status, path)


def test_a_body_nested_without_end_is_not_json(client: Client) -> None:
    answer = client.post("/api/v1/loops/flights/predict", content=1_000_000 * b"[")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


def test_a_comment_has_a_length(client: Client) -> None:
    answer = client.post("/api/v1/loops/flights/cycles", json={"comment": 2001 * "x"})
    assert (answer.status_code, answer.json()["error"]["path"]) == (422, "$.comment")


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("limit=0", "query.limit"), ("limit=1001", "query.limit"), ("limit=x", "query.limit"),
        ("before=-1", "query.before"), ("before=forged", "query.before"),
        ("limt=5", "query.'limt'"),
    ],
)  # fmt: skip
def test_bad_queries_are_named(client: Client, query: str, path: str) -> None:
    answer = client.get(f"/api/v1/loops/flights/history?{query}")
    assert answer.status_code == 422
    assert answer.json()["error"]["path"] == path


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/models/%00/versions", "/api/v1/cycles?loop=%00", "/api/v1/events?subject=a%00b",
        "/api/v1/runs/x%00", "/api/v1/audit/verify?anchor=%C2%B2:" + 64 * "a",
        "/api/v1/audit/verify?anchor=" + 5000 * "9" + ":" + 64 * "a",
        "/api/v1/models/x/versions/" + 5000 * "9",
    ],
    ids=lambda path: path[:50],
)  # fmt: skip
def test_odd_text_is_refused_and_never_a_surprise(client: Client, path: str) -> None:
    assert client.get(path).status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "/assets/..%2f..%2fetc%2fpasswd", "/assets/../../etc/passwd", "/cycles/..%2f..%2fx",
        "/api/v1/models/..%2f..%2fetc/versions", "/api/v1/datasets/..%2f..%2fx",
    ],
)  # fmt: skip
def test_no_path_leads_out(client: Client, path: str) -> None:
    assert client.get(path).status_code in (404, 422)


def test_the_document_tells_of_every_route(client: Client) -> None:
    document = client.get("/openapi.json").json()
    for route in ROUTES:
        operation = document["paths"][route.path.replace(":path", "")][route.method.lower()]
        assert operation["summary"] == route.summary
        assert operation["x-permission"] == route.permission
        assert bool(operation.get("security")) == (route.permission != "public")
    run = document["paths"]["/api/v1/loops/{loop}/cycles"]["post"]
    assert run["responses"]["202"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Cycle"
    }
    assert "verdict" in document["components"]["schemas"]["Cycle"]["properties"]


def test_ready_asks_the_database(client: Client, project: Project) -> None:
    import sqlalchemy as sa

    assert client.get("/ready").json()["status"] == "ready"
    with project.db.write() as conn:
        conn.execute(sa.text("update everloop_version set version_num = '0000'"))
    answer = client.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "migration_pending"
    assert client.get("/health").status_code == 200
