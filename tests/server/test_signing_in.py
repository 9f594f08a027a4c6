"""Sessions of browsers: how they begin, change, end; and that forms are ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

import pytest
from server_helpers import BASE, DEAD
from starlette.testclient import TestClient

from everloop.loop.project import Project
from everloop.server import forms, throttle
from everloop.server.app import create_app
from everloop.server.routes import ROUTES
from everloop.store import clock
from everloop.store.clock import SimulatedClock, now_ms

OWN = "the-server's-own-token-of-32-char"
HTML = {"accept": "text/html"}
HOUR = 3_600_000


class Browser(TestClient):
    """Keeps cookies, and sends a form as a browser does: with the token of the page it saw."""

    def __init__(self, project: Project, token: str = OWN, base: str = BASE) -> None:
        app = create_app(project, serve_url=DEAD, token=token)
        super().__init__(app, base_url=base, follow_redirects=False)
        self.headers.update(HTML)

    def token(self, path: str = "/sign-in") -> str:
        return re.findall(r'name="_token" value="([^"]+)"', self.get(path).text)[-1]

    def fill(self, path: str, page: str = "/sign-in", **fields: str):
        return self.post(path, data={"_token": self.token(page), **fields})

    def sign_in(self, name: str, token: str, to: str = "/"):
        return self.fill("/sign-in", name=name, token=token, to=to)

    @property
    def id(self) -> str:
        (cookie,) = [c for c in self.cookies.jar if "-session-" in c.name]
        return str(cookie.value)


@pytest.fixture
def browser(project: Project) -> Browser:
    return Browser(project)


@pytest.fixture
def time() -> Iterator[SimulatedClock]:
    with clock.simulated() as simulated:
        yield simulated


def test_a_page_asks_a_browser_to_sign_in_and_leads_back(
    browser: Browser, project: Project
) -> None:
    token = project.people.add("ann", actor="t").token
    asked = browser.get("/runs?filter=a+%3D+1&group=b")
    assert asked.status_code == 303
    assert asked.headers["location"] == "/sign-in?to=/runs%3Ffilter%3Da%2B%253D%2B1%26group%3Db"
    form = browser.get(asked.headers["location"])
    to = re.search(r'name="to" value="([^"]+)"', form.text)
    assert to and to[1].replace("&amp;", "&") == "/runs?filter=a+%3D+1&group=b"
    assert (
        "Basic"
        not in browser.get("/runs.json", headers={"accept": "*/*"}).headers["www-authenticate"]
    )
    began = browser.sign_in("ann", token, "/runs?filter=&group=")
    assert (began.status_code, began.headers["location"]) == (303, "/runs?filter=&group=")
    cookie = began.headers["set-cookie"]
    assert "; HttpOnly; SameSite=Lax" in cookie and "Path=/;" in cookie and "Secure" not in cookie
    assert "Max-Age=604800" in cookie
    assert browser.get("/runs").status_code == 200
    assert ">ann</bdi>" in browser.get("/").text
    assert browser.get("/operations").status_code == 403  # may decide, no more
    kinds = [event.kind for event in project.events.latest(1, "person/ann")]
    assert kinds == ["person.signed_in"] and token not in str(project.events.latest(9))
    with project.db.read() as conn:
        kept = str(conn.exec_driver_sql("SELECT * FROM sessions").all())
    assert browser.id not in kept


@pytest.mark.parametrize("to", ["//evil.example", "/\\evil.example", "https://x", "x", "/a\r\nb"])
def test_it_leads_nowhere_else(browser: Browser, to: str) -> None:
    assert browser.get("/sign-in", params={"to": to}).status_code == 422
    assert browser.sign_in("", OWN, to).status_code == 422


def test_over_https_the_cookie_is_the_hosts_alone(project: Project) -> None:
    browser = Browser(project)
    browser.headers["x-forwarded-proto"] = "https"
    page = browser.get("/sign-in")
    assert page.headers["set-cookie"].startswith("__Host-everloop-form-")
    token = re.findall(r'name="_token" value="([^"]+)"', page.text)[-1]
    own = {"cookie": page.headers["set-cookie"].partition(";")[0]}
    form = {"_token": token, "token": OWN}
    cookie = browser.post("/sign-in", data=form, headers=own).headers["set-cookie"]
    assert cookie.startswith("__Host-everloop-session-")
    assert "; Secure" in cookie and "; Path=/;" in cookie and "Domain" not in cookie
    shown = cookie.partition(";")[0]
    assert browser.get("/runs", headers={"cookie": shown}).status_code == 200
    planted = shown.removeprefix("__Host-")  # what a page over plain HTTP could have set
    assert browser.get("/runs", headers={"cookie": planted}).status_code == 303


def test_sessions_end_with_their_token_and_follow_its_rights(
    browser: Browser, project: Project
) -> None:
    token = project.people.add("ann", may="admin", actor="t").token
    browser.sign_in("ann", token)
    assert browser.get("/operations").status_code == 200
    with project.db.write() as conn:
        conn.exec_driver_sql("UPDATE people SET may = 'read'")
    assert browser.get("/operations").status_code == 403
    assert project.people.named("ann").used is not None
    project.people.remove("ann", actor="t")
    project.people.add("ann", may="admin", actor="t")  # another one of the same name
    assert browser.get("/operations").status_code == 303
    browser.sign_in("", OWN)
    assert browser.get("/operations").status_code == 200
    other = Browser(project, token="another token of the server's")
    other.cookies = browser.cookies
    assert other.get("/operations").status_code == 303


def test_a_session_is_short_and_its_id_shorter(
    browser: Browser, project: Project, time: SimulatedClock
) -> None:
    before = Browser(project)
    before.sign_in("", OWN)
    browser.cookies = before.cookies
    first = browser.id
    browser.sign_in("", OWN)
    assert browser.id != first  # at sign-in, and the one before has ended
    assert project.sessions.show(first) is None
    first, start = browser.id, now_ms()
    time.set(start + HOUR + 1000)
    renewed = browser.get("/runs").headers["set-cookie"].partition(";")[0]
    second = renewed.partition("=")[2]
    assert browser.id == second != first
    assert project.sessions.show(first) is not None  # the answer could have been lost
    assert browser.get("/runs").status_code == 200
    time.set(start + HOUR + 120_000)
    assert project.sessions.show(first) is None  # the new one was seen a minute ago
    time.set(start + 14 * HOUR)
    assert browser.get("/runs").status_code == 303  # silent for twelve hours
    browser.sign_in("", OWN)
    start = now_ms()
    for hour in range(0, 7 * 24, 6):
        time.set(start + hour * HOUR)
        assert browser.get("/runs").status_code == 200
    time.set(start + 7 * 24 * HOUR + 1)
    assert browser.get("/runs").status_code == 303


def test_an_id_that_was_lost_on_its_way_is_given_again(
    project: Project, time: SimulatedClock
) -> None:
    first, start = project.sessions.begin(OWN, who="token"), now_ms()
    time.set(start + HOUR + 1)
    lost = project.sessions.show(first).next_id
    assert lost is not None and project.sessions.show(first).next_id is None  # at the same moment
    time.set(start + HOUR + 90_000)
    given = project.sessions.show(first).next_id
    assert given is not None and project.sessions.show(lost) is None
    assert project.sessions.show(given).key == project.sessions.show(first).key


def test_a_person_signs_out_here_and_elsewhere(browser: Browser, project: Project) -> None:
    elsewhere = Browser(project)
    for one in (browser, elsewhere):
        one.sign_in("", OWN)
    shown = project.sessions.show(browser.id)
    assert len(project.sessions.of(shown.token_sha256)) == 2
    assert project.sessions.end_others(shown.key, who="token") == 1
    assert elsewhere.get("/runs").status_code == 303
    out = browser.fill("/sign-out")
    assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
    assert "Max-Age=0" in out.headers["set-cookie"]
    assert browser.get("/runs").status_code == 303
    assert project.sessions.of(shown.token_sha256) == []


def test_sessions_of_one_token_are_bounded(project: Project) -> None:
    ids = [project.sessions.begin(OWN, who="token") for _ in range(52)]
    assert len(project.sessions.of(project.sessions.show(ids[-1]).token_sha256)) == 50


def test_a_name_has_to_go_with_its_token(browser: Browser, project: Project) -> None:
    ann = project.people.add("ann", actor="t").token
    bob = project.people.add("bob", actor="t").token
    for name, token in (("ann", bob), ("", ann), ("ann", OWN), ("<b>", ann), ("ann", "")):
        refused = browser.sign_in(name, token)
        assert refused.status_code == 403, name
        assert "&lt;b&gt;" in refused.text if name == "<b>" else f'value="{name}"' in refused.text
        assert token not in refused.text or not token
    assert "Leave the name empty" in browser.sign_in("ann", OWN).text


def test_guesses_are_slowed_and_forgotten(
    browser: Browser, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = project.people.add("ann", actor="t").token
    codes = [browser.sign_in("ann", f"guess {n}").status_code for n in range(12)]
    assert codes == [403] * 10 + [429] * 2
    assert browser.sign_in("ann", ann).status_code == 429
    assert browser.sign_in("", OWN).status_code == 303  # another name
    kept = throttle.Throttle()
    for number in range(5000):
        kept.wrong(f"10.0.{number // 250}.{number % 250}")
    assert len(kept._wrong) == throttle.CALLERS
    for number in range(10):
        kept.wrong(f"2001:db8::{number}")
    with pytest.raises(throttle.Forbidden, match="10 wrong ones in a minute"):
        kept.check("2001:db8::ffff")
    monkeypatch.setattr(throttle, "WITHIN", 0.0)
    kept.check("2001:db8::ffff")


def test_a_short_token_cannot_be_guessed_by_programs(project: Project) -> None:
    client = Browser(project, token="s3cret")
    right = {"authorization": "Bearer s3cret", "accept": "*/*"}
    ann = {"authorization": f"Bearer {project.people.add('ann', actor='t').token}"}
    assert client.get("/api/v1/status", headers=right).status_code == 200
    for number in range(10):
        wrong = {"authorization": f"Bearer {number}"}
        assert client.get("/api/v1/status", headers=wrong).status_code == 401
    refused = client.get("/api/v1/status", headers=right)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    long = Browser(project)
    for _ in range(12):
        assert long.get("/api/v1/status", headers={"authorization": "Bearer x"}).status_code == 401
    assert long.get("/api/v1/status", headers=ann).status_code == 200


# -- forms -----------------------------------------------------------------------------------------


def test_every_form_of_a_page_has_its_token() -> None:
    found = 0
    for template in files("everloop.console").joinpath("templates").iterdir():
        text = template.read_text()
        for form in re.finditer(r"<form\b[^>]*>", text):
            posts = 'method="post"' in form[0].lower()
            assert posts or 'method="get"' in form[0] or "method" not in form[0], form[0]
            after = text[form.end() :].lstrip()
            assert after.startswith("{{ token() }}") == posts, f"{template.name}: {form[0]}"
            found += posts
    assert found >= 9


def test_what_pages_send_is_a_form_and_checked() -> None:
    for route in ROUTES:
        if route.method != "GET":
            assert route.form != route.path.startswith("/api/"), route.path


def test_every_action_refuses_without_its_token_and_permission(
    browser: Browser, project: Project
) -> None:
    stranger, local, other = Browser(project), Browser(project, token=""), Browser(project)
    reader = project.people.add("reader", may="read", actor="t").token
    browser.sign_in("", OWN)
    bad = ["", "x", "a.b", forms.made(b"another secret"), other.token()]
    before = len(project.events.latest(100))
    for route in (route for route in ROUTES if route.form):
        at = re.sub(r"\{\w+\}", "1", route.path)
        for who in (browser, local):
            refused = [who.post(at, data={"_token": token, "do": "x"}) for token in bad]
            refused.append(who.post(at, data={"do": "x"}))
            refused.append(who.post(at, content=2 * f"_token={who.token()}&".encode()))
            assert {answer.status_code for answer in refused} == {403}, at
            assert "Load the page again" in refused[0].text
        if route.permission != "public":
            assert stranger.fill(at).status_code == 401, at
        if route.permission not in ("public", "read"):
            headers = {"authorization": f"Bearer {reader}"}
            assert stranger.post(at, data={"do": "x"}, headers=headers).status_code == 403, at
    assert len(project.events.latest(100)) == before


def test_a_session_changes_nothing_over_the_api_by_its_cookie_alone(
    browser: Browser, project: Project
) -> None:
    browser.sign_in("", OWN)
    body = {"name": "eve"}
    assert browser.get("/api/v1/people").status_code == 200
    assert browser.post("/api/v1/people", json=body).status_code == 401
    headers = {"x-everloop-token": browser.token()}
    assert browser.post("/api/v1/people", json=body, headers=headers).status_code == 201
    assert browser.post("/api/2.0/mlflow/runs/search", json={}).status_code == 401


def test_two_windows_of_one_browser_send_their_own_forms(project: Project) -> None:
    browser = Browser(project, token="")
    first, second = browser.token(), browser.token()
    assert first != second
    for token in (first, second):
        assert browser.post("/sign-out", data={"_token": token}).status_code == 303
