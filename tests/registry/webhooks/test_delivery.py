from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from webhook_helpers import EVENT, Receiver

from everloop.errors import InvalidInput, NotFound
from everloop.registry.models import ModelStore
from everloop.registry.signing import Keys
from everloop.registry.webhooks import courier, sending
from everloop.registry.webhooks.courier import ATTEMPTS, Courier, pause
from everloop.registry.webhooks.happenings import EXAMPLES
from everloop.registry.webhooks.store import WebhookStore
from everloop.registry.webhooks.vault import Vault
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.tables import webhook_deliveries, webhooks
from waiting import wait_for


def bring_forward(db: Database) -> None:
    """Let what waits be due now."""
    with db.write() as conn:
        waiting = webhook_deliveries.c.state == "waiting"
        conn.execute(sa.update(webhook_deliveries).where(waiting).values(due=now_ms()))


def test_what_is_sent_is_signed(
    hooks: WebhookStore, registry: ModelStore, receiver: Receiver
) -> None:
    hook = hooks.create("ci", receiver.url, [EVENT], secret="s3cret", actor="t")
    registry.create_model("m", description="d", tags={"a": "b"}, actor="t")
    assert Courier(hooks).deliver_due() == 1
    ((path, headers, body),) = receiver.got
    assert path == "/hook?a=b"
    sent = json.loads(body)
    assert sent.pop("timestamp")
    assert sent == {
        "entity": "registered_model", "action": "created",
        "data": {"name": "m", "tags": {"a": "b"}, "description": "d"},
    }  # fmt: skip
    signed = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.".encode() + body
    digest = hmac.new(b"s3cret", signed, hashlib.sha256).digest()
    assert headers["X-MLflow-Signature"] == "v1," + base64.b64encode(digest).decode()
    assert abs(int(headers["X-MLflow-Timestamp"]) - time.time()) < 60
    (delivery,) = hooks.deliveries(hook.id).items
    assert delivery.id == headers["X-MLflow-Delivery-Id"]
    assert (delivery.state, delivery.status, delivery.attempts) == ("sent", 200, 1)
    assert delivery.due is None
    assert Courier(hooks).deliver_due() == 0


def test_each_change_tells_those_who_asked(
    hooks: WebhookStore, registry: ModelStore, receiver: Receiver
) -> None:
    everything = hooks.create("all", receiver.url, list(EXAMPLES), actor="t")
    hooks.create("off", receiver.url, list(EXAMPLES), status="DISABLED", actor="t")
    other = hooks.create("other", receiver.url, ["prompt.created"], actor="t")
    registry.create_model("m", actor="t")
    registry.create_version("m", source="s3://b/m", run="r", tags={"a": "b"}, actor="t")
    registry.set_version_tag("m", 1, "k", "v", "t")
    registry.delete_version_tag("m", 1, "k", "t")
    registry.set_alias("m", "best", 1, "t")
    registry.delete_alias("m", "best", "t")
    prompt = {"mlflow.prompt.is_prompt": "true", "_mlflow_prompt_type": "text", "x": "y"}
    registry.create_model("p", tags=prompt, actor="t")
    text = prompt | {"mlflow.prompt.text": "Hi {{you}}"}
    registry.create_version("p", source="dummy-source", tags=text, actor="t")
    registry.set_model_tag("p", "k", "v", "t")
    registry.delete_model_tag("p", "k", "t")
    registry.set_version_tag("p", 1, "k", "v", "t")
    registry.delete_version_tag("p", 1, "k", "t")
    registry.set_alias("p", "best", 1, "t")
    registry.delete_alias("p", "best", "t")
    found = hooks.deliveries(everything.id).items
    assert sorted(one.event for one in found) == sorted(EXAMPLES)
    for one in found:
        assert one.payload["data"].keys() == EXAMPLES[one.event].keys(), one.event
    data = {one.event: one.payload["data"] for one in found}
    assert data["prompt_version.created"]["template"] == "Hi {{you}}"
    assert data["prompt_version.created"]["tags"] == {"x": "y"}
    assert data["model_version.created"]["run_id"] == "r"
    assert [one.event for one in hooks.deliveries(other.id).items] == ["prompt.created"]


def test_a_change_that_is_undone_tells_nobody(
    hooks: WebhookStore, registry: ModelStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = hooks.create("ci", receiver.url, [EVENT], actor="t")
    monkeypatch.setattr(registry.events.signer, "sign", lambda data: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        registry.create_model("m", actor="t")
    assert hooks.deliveries(hook.id).items == []


def test_it_is_tried_again_with_growing_pauses(
    hooks: WebhookStore, registry: ModelStore, receiver: Receiver
) -> None:
    hook = hooks.create("ci", receiver.url, [EVENT], actor="t")
    registry.create_model("m", actor="t")
    receiver.answers = [503] * 20
    waits = []
    for attempt in range(1, ATTEMPTS + 1):
        bring_forward(hooks.db)
        assert Courier(hooks).deliver_due() == 1
        (delivery,) = hooks.deliveries(hook.id).items
        assert (delivery.attempts, delivery.status) == (attempt, 503)
        if delivery.due is not None:
            waits.append(delivery.due - delivery.updated)
    assert delivery.state == "failed"
    assert len(waits) == ATTEMPTS - 1
    assert waits[:6] == sorted(waits[:6]) and min(waits[6:]) >= 3_600_000
    assert 1000 <= waits[0] <= 1300
    assert pause(50) <= 3600 * 1.2
    assert len({headers["X-MLflow-Delivery-Id"] for _, headers, _ in receiver.got}) == 1


def test_a_receiver_that_will_not_have_it_is_left_alone(
    hooks: WebhookStore, registry: ModelStore, receiver: Receiver
) -> None:
    hook = hooks.create("ci", receiver.url, [EVENT], actor="t")
    receiver.headers = {"Location": receiver.url}
    for number, status in enumerate((404, 302)):
        receiver.answers = [status]
        registry.create_model(f"m{number}", actor="t")
        Courier(hooks).deliver_due()
    states = {(one.state, one.status) for one in hooks.deliveries(hook.id).items}
    assert states == {("failed", 404), ("failed", 302)}
    assert len(receiver.got) == 2  # the redirect was not followed


def test_retry_after_is_obeyed(
    hooks: WebhookStore, registry: ModelStore, receiver: Receiver
) -> None:
    hook = hooks.create("ci", receiver.url, [EVENT], actor="t")
    registry.create_model("m", actor="t")
    receiver.answers, receiver.headers = [429], {"Retry-After": "120"}
    Courier(hooks).deliver_due()
    (delivery,) = hooks.deliveries(hook.id).items
    assert delivery.due is not None and delivery.due - delivery.updated >= 119_000


def test_a_slow_receiver_is_cut_off(
    hooks: WebhookStore, registry: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "TOTAL_SECONDS", 0.5)
    hung_up = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            conn, _ = listener.accept()
            with conn:
                try:
                    while True:
                        conn.sendall(b"H")
                        time.sleep(0.1)
                except OSError:
                    hung_up.set()

        threading.Thread(target=drip, daemon=True).start()
        outcome = sending.send(
            f"http://127.0.0.1:{listener.getsockname()[1]}/", "id", "{}", None, {"127.0.0.1"}
        )
    assert outcome.again and outcome.error
    assert hung_up.wait(60)


def test_many_couriers_send_each_once(
    hooks: WebhookStore, registry: ModelStore, receiver: Receiver
) -> None:
    hook = hooks.create("ci", receiver.url, [EVENT], actor="t")
    couriers = [Courier(hooks) for _ in range(3)]
    for one in couriers:
        one.start()
    for number in range(20):
        registry.create_model(f"m{number}", actor="t")
    wait_for(lambda: all(one.state == "sent" for one in hooks.deliveries(hook.id).items))
    for one in couriers:
        one.stop()
    names = [json.loads(body)["data"]["name"] for _, _, body in receiver.got]
    assert sorted(names) == sorted(f"m{number}" for number in range(20))


CHILD = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from everloop.registry.signing import Keys
from everloop.registry.webhooks.courier import Courier
from everloop.registry.webhooks.store import WebhookStore
from everloop.registry.webhooks.vault import Vault
from everloop.store.database import Database
from everloop.store.events import EventLog
db, keys = Database(sys.argv[1]), Keys.load(Path(sys.argv[2]))
store = WebhookStore(db, EventLog(db, keys), Vault(keys), frozenset({"127.0.0.1"}))
courier = Courier(store)
taken = courier._take(1)
print("taken", flush=True)
time.sleep(60)
"""


def test_what_a_killed_sender_had_taken_is_sent_by_another(
    hooks: WebhookStore, registry: ModelStore, receiver: Receiver, database_url: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    hook = hooks.create("ci", receiver.url, [EVENT], secret="s", actor="t")
    registry.create_model("m", actor="t")
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, database_url, str(tmp_path / "keys")],
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None and child.stdout.readline() == b"taken\n"
    assert Courier(hooks).deliver_due() == 0  # it is another's, while the lease lasts
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    later = now_ms() + courier.LEASE_MS + 1000
    monkeypatch.setattr(courier, "now_ms", lambda: later)
    assert Courier(hooks).deliver_due() == 1
    (delivery,) = hooks.deliveries(hook.id).items
    assert (delivery.state, delivery.attempts, len(receiver.got)) == ("sent", 2, 1)


def test_deliveries_that_are_long_over_are_forgotten(
    hooks: WebhookStore, registry: ModelStore, receiver: Receiver
) -> None:
    hook = hooks.create("ci", receiver.url, [EVENT], actor="t")
    registry.create_model("m", actor="t")
    registry.create_model("n", actor="t")
    with hooks.db.write() as conn:
        conn.execute(sa.update(webhook_deliveries).values(created=1))
    (taken,) = Courier(hooks)._take(1)
    Courier(hooks)._settle(taken, sending.Outcome(200), False)
    Courier(hooks)._tidy()
    assert [one.state for one in hooks.deliveries(hook.id).items] == ["waiting"]


def test_secrets_are_encrypted_and_go_with_the_key(
    hooks: WebhookStore, receiver: Receiver, tmp_path: Path
) -> None:
    hook = hooks.create("ci", receiver.url, [EVENT], secret="s3cret", actor="t")
    with hooks.db.read() as conn:
        kept = conn.execute(sa.select(webhooks)).one()
    assert "s3cret" not in repr(tuple(kept))
    assert hooks.vault.open(kept.secret) == "s3cret"
    other = WebhookStore(
        hooks.db, hooks.events, Vault(Keys.load_or_create(tmp_path / "other")), hooks.hosts
    )
    outcome = Courier(other)._send(SimpleNamespace(payload="{}", **kept._mapping))
    assert outcome.error is not None and "another signing key" in outcome.error
    assert receiver.got == []
    assert hooks.update(hook.id, secret="", actor="t").signed is False


def test_a_test_says_what_came_of_it(hooks: WebhookStore, receiver: Receiver) -> None:
    hook = hooks.create("ci", receiver.url, ["prompt_tag.set", EVENT], secret="s", actor="t")
    outcome = hooks.test(hook.id)
    assert (outcome.ok, outcome.status, outcome.body) == (True, 200, "thanks")
    assert json.loads(receiver.got[0][2])["data"] == EXAMPLES["prompt_tag.set"]
    assert "X-MLflow-Signature" in receiver.got[0][1]
    receiver.answers = [500]
    assert hooks.test(hook.id, EVENT).status == 500
    receiver.close()
    away = hooks.test(hook.id)
    assert not away.ok and away.error
    with pytest.raises(InvalidInput):
        hooks.test(hook.id, "odd.event")
    with pytest.raises(NotFound):
        hooks.test("none")


def test_pages_and_changes(hooks: WebhookStore, receiver: Receiver) -> None:
    made = [hooks.create(f"h{n}", receiver.url, [EVENT], actor="t").id for n in range(5)]
    first = hooks.page(2)
    second = hooks.page(2, first.next)
    third = hooks.page(2, second.next)
    assert third.next is None
    seen = [one.id for one in first.items + second.items + third.items]
    assert sorted(seen) == sorted(made)
    before = hooks.get(made[0])
    after = hooks.update(made[0], name="x", events=["prompt.created", EVENT], actor="t")
    assert after.updated > before.updated
    assert (after.name, after.url, after.events) == ("x", receiver.url, ["prompt.created", EVENT])
    hooks.delete(made[0], "t")
    with pytest.raises(NotFound):
        hooks.get(made[0])
    kinds = [one.kind for one in hooks.events.page(subject=f"webhook:{made[0]}")]
    assert kinds == ["webhook.created", "webhook.updated", "webhook.deleted"]
    for bad in ({"name": "-x"}, {"events": []}, {"events": ["a.b"]}, {"secret": "x" * 1001}):
        with pytest.raises(InvalidInput):
            hooks.update(made[1], actor="t", **bad)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        hooks.page(2, "forged")
