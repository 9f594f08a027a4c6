"""Each channel against a real receiver, and deliveries that outlive a killed process."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from alert_helpers import Office
from alert_mailbox import Mailbox
from alert_receivers import Receiver

from everloop.errors import NotFound
from everloop.monitor.alerting.channels._base import Surroundings, channel_of
from everloop.monitor.alerting.deliveries import DeliveryStore
from everloop.monitor.alerting.notice import Ended, Notice, Severity
from everloop.monitor.spec import MonitorSpec, RuleSpec
from everloop.registry.webhooks import courier
from everloop.registry.webhooks.courier import ATTEMPTS
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.tables import alert_deliveries


@pytest.fixture
def plain(sqlite_url: str, tmp_path: Path) -> Iterator[Office]:
    db = Database(sqlite_url)
    yield Office(db, tmp_path, {})
    db.close()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    made = Mailbox()
    yield made
    made.close()


def tell(office: Office, name: str, table: dict[str, Any]) -> None:
    office.tables[name] = table
    office.day(0, "x<y>", severity="critical")
    office.route(MonitorSpec(alerts=(RuleSpec(name="r", channels=(name,)),)))


def bring_forward(office: Office) -> None:
    with office.windows.db.write() as conn:
        waiting = alert_deliveries.c.state == "waiting"
        conn.execute(sa.update(alert_deliveries).where(waiting).values(due=now_ms()))


def test_a_webhook_is_signed_as_the_registrys(plain: Office, receiver: Receiver) -> None:
    tell(plain, "hook", {"kind": "webhook", "url": receiver.url, "secret": "$HOOK_SECRET"})
    assert plain.send() == 1
    ((headers, body),) = receiver.got
    signed = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.".encode() + body
    digest = hmac.new(b"s3cret", signed, hashlib.sha256).digest()
    assert headers["X-MLflow-Signature"] == "v1," + base64.b64encode(digest).decode()
    said = json.loads(body)
    assert said["title"] == "[critical] e: x<y> drifted"
    assert (said["state"], said["rule"], len(said["items"])) == ("firing", "r", 1)
    (sent,) = plain.desk.deliveries.page()
    assert (sent.state, sent.status, sent.id) == ("sent", 202, headers["X-MLflow-Delivery-Id"])


def test_slack_gets_text_and_blocks(plain: Office, receiver: Receiver) -> None:
    plain.env["SLACK_URL"] = receiver.url
    tell(plain, "slack", {"kind": "slack", "url": "$SLACK_URL"})
    assert plain.send() == 1
    said = json.loads(receiver.got[0][1])
    assert said["text"] == "[critical] e: x&lt;y&gt; drifted"
    assert said["blocks"][0]["type"] == "section"
    assert ":red_circle:" in said["blocks"][0]["text"]["text"]


def test_pagerduty_triggers_and_resolves_by_one_key(plain: Office, receiver: Receiver) -> None:
    tell(plain, "pager", {"kind": "pagerduty", "key": "$PAGER_KEY", "url": receiver.url})
    for day in range(1, 4):
        plain.day(day)
    plain.route(MonitorSpec(alerts=(RuleSpec(name="r", channels=("pager",)),)))
    receiver.answers = [429]
    plain.send()
    assert len(receiver.got) == 1  # the end waits for the beginning
    bring_forward(plain)
    plain.send()
    events = [json.loads(body) for _, body in receiver.got]
    assert [event["event_action"] for event in events] == ["trigger", "trigger", "resolve"]
    assert len({event["dedup_key"] for event in events}) == 1
    assert {event["routing_key"] for event in events} == {"r0uting"}
    assert events[0]["payload"]["severity"] == "critical"
    assert {"summary", "source", "severity"} <= set(events[0]["payload"])


def test_mail_is_sent_and_tried_again(plain: Office, mailbox: Mailbox) -> None:
    table = {
        "kind": "email", "host": "127.0.0.1", "port": mailbox.port, "tls": "none",
        "sender": "loop@example.com", "to": ["ops@example.com", "ann@example.com"],
    }  # fmt: skip
    mailbox.refuse = "451 later"
    tell(plain, "mail", table)
    assert plain.send() == 1
    (waiting,) = plain.desk.deliveries.page("waiting")
    assert "451" in (waiting.error or "")
    mailbox.refuse = ""
    bring_forward(plain)
    plain.send()
    (mail,) = mailbox.mails
    assert mail["Subject"] == "[critical] e: x<y> drifted"
    assert mail["To"] == "ops@example.com, ann@example.com"
    assert mail["Message-ID"] == f"<{waiting.id}@example.com>"
    assert "since 2013-01-01" in mail.get_payload()


def test_mail_that_is_refused_for_good_is_dead_and_seen(plain: Office, mailbox: Mailbox) -> None:
    mailbox.refuse = "550 nobody here"
    table = {
        "kind": "email", "host": "127.0.0.1", "port": mailbox.port, "tls": "none",
        "sender": "loop@example.com", "to": ["ops@example.com"],
    }  # fmt: skip
    tell(plain, "mail", table)
    plain.send()
    (dead,) = plain.desk.deliveries.page("failed")
    assert dead.due is None and "550" in (dead.error or "")


def test_retries_end_and_errors_hold_no_secret(plain: Office, receiver: Receiver) -> None:
    plain.env["SLACK_URL"] = receiver.url.replace("http:", "gopher:")
    tell(plain, "slack", {"kind": "slack", "url": "$SLACK_URL"})
    for _ in range(ATTEMPTS):
        assert plain.send() == 1
        bring_forward(plain)
    (dead,) = plain.desk.deliveries.page("failed")
    assert dead.attempts == ATTEMPTS
    with plain.windows.db.read() as conn:
        rows = repr(conn.execute(sa.select(alert_deliveries)).all())
    assert "s3cret" not in rows


def test_a_variable_that_is_not_set_is_named_and_waited_for(plain: Office) -> None:
    tell(plain, "slack", {"kind": "slack", "url": "$SLACK_URL"})
    plain.send()
    (waiting,) = plain.desk.deliveries.page("waiting")
    assert waiting.error == "$SLACK_URL is not set in the environment."


def test_a_private_host_is_reached_only_if_allowed(plain: Office, receiver: Receiver) -> None:
    url = receiver.url.replace("127.0.0.1", "localhost")
    tell(plain, "hook", {"kind": "webhook", "url": url})
    plain.send()
    (waiting,) = plain.desk.deliveries.page()
    assert "scheme" in (waiting.error or "") and not receiver.got


def test_a_channel_is_tested_before_it_is_needed(plain: Office, receiver: Receiver) -> None:
    plain.tables["hook"] = {"kind": "webhook", "url": receiver.url}
    assert plain.desk.test("e", "hook").ok
    assert json.loads(receiver.got[0][1])["state"] == "test"
    assert plain.desk.deliveries.page() == []
    with pytest.raises(NotFound, match="expected one of hook"):
        plain.desk.test("e", "hok")


def test_a_channel_that_is_gone_ends_its_deliveries(plain: Office) -> None:
    tell(plain, "log", {"kind": "file", "path": "told.jsonl"})
    plain.tables.clear()
    plain.send()
    (dead,) = plain.desk.deliveries.page("failed")
    assert dead.error == "No channel 'log' is declared any more."


CHILD = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from alert_helpers import Office
from everloop.monitor.spec import MonitorSpec, RuleSpec
from everloop.store.database import Database
office = Office(Database(sys.argv[1]), Path(sys.argv[2]), {"log": {"kind": "file", "path": "told.jsonl"}})
office.day(0, "x")
office.route(MonitorSpec(alerts=(RuleSpec(channels=("log",)),)))
if sys.argv[4] == "taken":
    office.desk.courier()._take(1)
print("ready", flush=True)
time.sleep(60)
"""  # noqa: E501


@pytest.mark.parametrize("moment", ["raised", "taken"])
def test_a_kill_between_alert_and_delivery_loses_nothing(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    here = str(Path(__file__).parent)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, sqlite_url, str(tmp_path), here, moment],
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None and child.stdout.readline() == b"ready\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    db = Database(sqlite_url)
    office = Office(db, tmp_path, {"log": {"kind": "file", "path": "told.jsonl"}})
    office.route(MonitorSpec(alerts=(RuleSpec(channels=("log",)),)))  # finds nothing new
    if moment == "taken":
        assert office.send() == 0  # it is another's, while the lease lasts
        later = now_ms() + courier.LEASE_MS + 1000
        monkeypatch.setattr(courier, "now_ms", lambda: later)
    assert office.send() == 1
    assert office.lines() == [("firing", ["x"])]
    db.close()


@pytest.mark.parametrize(
    ("verdict", "severity", "action"),
    [("promoted", "info", "resolve"), ("waiting", "warning", "trigger")],
)
def test_the_verdict_of_a_cycle_is_told_and_a_good_one_ends_the_page(
    plain: Office, receiver: Receiver, verdict: str, severity: Severity, action: str
) -> None:
    ended = Ended(
        cycle="c1", number=4, verdict=verdict, sentence="It is so.", gain=0.03, realised=0.02,
        act="everloop history 4", link="http://x/cycles/c1",
    )  # fmt: skip
    notice = Notice(
        key="k", state="verdict", endpoint="e", rule="r", severity=severity, at=1, items=[],
        ended=ended,
    )  # fmt: skip
    assert notice.title == f"[{verdict}] e, cycle 4: It is so."
    assert notice.lines == [
        "expected gain +0.0300, realised +0.0200",
        "http://x/cycles/c1 · everloop history 4",
    ]
    again = msgspec.structs.replace(notice, ended=msgspec.structs.replace(ended, reminder=1))
    with plain.windows.db.write() as conn:  # once each, a reminder as well
        added = [DeliveryStore.add(conn, one, "c", 1) for one in (notice, notice, again)]
    assert added == [True, False, True]
    for table in (
        {"kind": "pagerduty", "url": receiver.url, "key": "$PAGER_KEY"},
        {"kind": "slack", "url": "$SLACK"},
    ):
        env = {**plain.env, "SLACK": receiver.url}
        around = Surroundings(env, plain.folder, frozenset({"127.0.0.1"}))
        assert channel_of(table, "c").send(notice, "d1", around).ok
    pager, slack = (json.loads(body) for _, body in receiver.got)
    assert (pager["event_action"], pager["dedup_key"]) == (action, "everloop-k")
    assert "everloop history 4" in slack["blocks"][0]["text"]["text"]
