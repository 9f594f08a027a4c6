"""People with tokens of their own over HTTP: what they may do, and two of them on one cycle."""

from __future__ import annotations

from typing import Any

import pytest
from server_helpers import Client, Connect

from everloop.loop.project import Project
from everloop.update.approval import Rule

V1 = "/api/v1"


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
def served(connect: Connect) -> Client:
    return connect(token="the-server's-own")


def added(served: Client, name: str, *roles: str, may: str = "decide") -> dict[str, str]:
    body: dict[str, Any] = {"name": name, "roles": list(roles), "may": may}
    answer = served.post(f"{V1}/people", json=body, headers=bearer("the-server's-own"))
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return bearer(answer.json()["token"])


def waiting(project: Project, rule: Rule) -> str:
    cycle = project.cycles.create("flights", cause={"kind": "person"}, plan=["approve"], actor="t")
    project.cycles.begin_step(cycle.id, "approve", 0)
    project.decisions.ask(cycle.id, rule)
    project.cycles.suspend(cycle.id, "approve")
    return f"{V1}/cycles/{cycle.id}"


def test_a_token_is_a_person_with_its_permissions(served: Client) -> None:
    ann = added(served, "ann", "risk")
    me = served.get(f"{V1}/me", headers=ann).json()
    assert me == {
        "name": "ann", "known": True, "roles": ["risk"],
        "permissions": ["decide", "public", "read"],
    }  # fmt: skip
    assert served.post(f"{V1}/loops/flights/cycles", json={}, headers=ann).status_code == 403
    assert served.get(f"{V1}/people", headers=ann).status_code == 403
    assert served.get(f"{V1}/status", headers=bearer("another")).status_code == 401
    owner = bearer("the-server's-own")
    assert served.get(f"{V1}/me", headers=owner).json()["known"] is False
    (one,) = served.get(f"{V1}/people", headers=owner).json()["items"]
    assert (one["name"], one["roles"], "token" in one) == ("ann", ["risk"], False)
    boss = added(served, "boss", may="admin")
    reader = added(served, "reader", "risk", may="read")
    assert served.post(f"{V1}/cycles/c/reject", headers=reader).status_code == 403
    assert served.delete(f"{V1}/people/boss", headers=boss).status_code == 403
    assert served.delete(f"{V1}/people/ann", headers=boss).json() == {"removed": "ann"}
    assert served.get(f"{V1}/me", headers=ann).status_code == 401
    bad = served.post(f"{V1}/people", json={"name": "local"}, headers=boss)
    assert bad.status_code == 422 and "which are no people" in bad.text


def test_two_people_of_two_roles_let_a_cycle_go_on(served: Client, project: Project) -> None:
    ann, bob = added(served, "ann", "reviewer"), added(served, "bob", "risk")
    cycle = waiting(project, Rule(roles={"reviewer": 1, "risk": 1}))
    shared = served.post(f"{cycle}/approve", headers=bearer("the-server's-own"))
    assert (shared.status_code, shared.json()["error"]["code"]) == (403, "unknown_person")
    assert served.post(f"{cycle}/approve", headers=ann).json()["state"] == "waiting"
    said = served.post(f"{cycle}/comment", json={"comment": "<b>why?</b>"}, headers=bob).json()
    assert said["missing"] == [{"count": 1, "role": "risk"}]
    assert served.post(f"{cycle}/comment", json={"comment": " "}, headers=bob).status_code == 422
    assert served.post(f"{cycle}/approve", headers=bob).json()["state"] == "running"
    words = served.get(f"{cycle}/words", headers=ann).json()
    assert [(w["person"], w["kind"]) for w in words["words"]] == [
        ("ann", "approve"), ("bob", "comment"), ("bob", "approve"),
    ]  # fmt: skip
    assert words["outcome"] == "approved" and words["record"]["valid"] is True
    audit = served.get(f"{V1}/audit/verify", headers=bearer("the-server's-own")).json()
    assert (audit["ok"], audit["decisions"], audit["broken"]) == (True, 1, [])


def test_without_a_servers_token_a_person_is_known_by_its_own(
    client: Client, project: Project
) -> None:
    token = project.people.add("ann", actor="t").token
    assert client.get(f"{V1}/me", headers=bearer(token)).json()["name"] == "ann"
    assert client.get(f"{V1}/me", headers=bearer("else")).json()["name"] == "local"
    nobody = project.cycles.create("flights", cause={"kind": "t"}, plan=["promote"], actor="t")
    assert client.get(f"{V1}/cycles/{nobody.id}/words").status_code == 404
