from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest

from everloop.errors import Forbidden, InvalidInput, Unavailable
from everloop.registry.webhooks.guard import allowed_hosts, check_url, is_public, lookup
from everloop.registry.webhooks.sending import send


@pytest.mark.parametrize(
    "url",
    ["https://example.com/hook", "https://example.com:8443/a?b=c", "https://93.184.216.34/",
     "https://[2606:2800:220:1:248:1893:25c8:1946]/x", "https://münchen.example/"],
)  # fmt: skip
def test_public_addresses_may_be_asked(url: str) -> None:
    assert check_url(url).hostname


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("   ", "cannot be empty or just whitespace"),
        ("http://example.com", "Invalid webhook URL scheme: 'http'"),
        ("ftp://example.com", "Invalid webhook URL scheme"),
        ("file:///etc/passwd", "Invalid webhook URL scheme"),
        ("https://", "must include a hostname"),
        ("http://[invalid", "Invalid webhook URL"),
        ("https://a:99999/", "Invalid webhook URL"),
        ("https://user:pass@example.com/", "embedded credentials"),
        ("https://exa mple.com/", "blanks"),
        ("https://example.com/\r\nX: y", "blanks"),
        ("https://example.com/" + "x" * 2000, "characters"),
        ("https://localhost/", "non-public"),
        ("https://a.localhost/", "non-public"),
        ("https://127.0.0.1/", "non-public"),
        ("https://127.1/", "not a canonical"),
        ("https://2130706433/", "not a canonical"),
        ("https://0x7f.0.0.1/", "not a canonical"),
        ("https://0177.0.0.1/", "not a canonical"),
        ("https://169.254.169.254/latest/meta-data", "non-public"),
        ("https://10.0.0.1/", "non-public"),
        ("https://100.64.0.1/", "non-public"),
        ("https://[::1]/", "non-public"),
        ("https://[::ffff:127.0.0.1]/", "non-public"),
        ("https://[64:ff9b::7f00:1]/", "non-public"),
        ("https://[2002:7f00:1::]/", "non-public"),
        ("https://0.0.0.0/", "non-public"),
        ("https://224.0.0.1/", "non-public"),
    ],
)
def test_others_are_refused(url: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as raised:
        check_url(url)
    assert raised.value.code == "bad_webhook_url"


def test_the_operator_may_allow_hosts() -> None:
    hosts = allowed_hosts("localhost, Hooks.Internal,[::1],")
    assert hosts == {"localhost", "hooks.internal", "::1"}
    for url in ("http://localhost:8000/", "http://HOOKS.internal/", "https://[::1]/"):
        assert check_url(url, hosts)
    with pytest.raises(InvalidInput):
        check_url("http://127.0.0.1/", hosts)


@pytest.mark.parametrize("text", ["8.8.8.8", "2606:4700::1111"])
def test_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


def answer_with(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_a_name_that_leads_inside_is_refused_when_it_is_looked_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer_with(monkeypatch, "8.8.8.8", "127.0.0.1")
    with pytest.raises(Forbidden, match="non-public"):
        lookup("rebind.example", 443)
    assert lookup("rebind.example", 443, {"rebind.example"}) == ["8.8.8.8", "127.0.0.1"]
    answer_with(monkeypatch)
    with pytest.raises(Unavailable, match="Cannot resolve"):
        lookup("nowhere.example", 443)


def test_the_address_that_was_checked_is_the_one_that_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = answer_with(monkeypatch, "8.8.8.8")
    connected: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        connected.append(address)
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "create_connection", connect)
    outcome = send("https://rebind.example/", "id", "{}", None)
    assert (asked, connected) == (["rebind.example"], [("8.8.8.8", 443)])
    assert outcome.again and not outcome.ok
