"""The signed record of what people decided on a cycle: made once, and verified for ever.

The text that is signed names the words, who gave them and when, a digest of the evidence that was
before them (the cause and the results of the steps so far), and the package that it is about. It
stands beside the cycle as it was signed, and the event ``cycle.decided`` carries its SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.store.chain import Signer
from everloop.store.tables import cycle_steps, cycles, model_versions
from everloop.store.texts import json_text
from everloop.update.approval import Rule, Word

FORMAT = 1
_PREFIX = b"everloop-decision "  # keeps the signature apart from that of anything else


class Record(msgspec.Struct, frozen=True):
    """What was signed. ``evidence`` and ``package`` are SHA-256 digests, times are ms UTC.

    ``outcome`` is ``approved``, ``rejected``, or ``silence`` when nobody answered in time.
    """

    format: int
    cycle: str
    loop: str
    number: int
    outcome: str
    approved: bool
    asked: int
    decided: int
    rule: Rule
    words: list[Word]
    evidence: str
    version: int | None
    package: str | None


class SignedRecord(msgspec.Struct, frozen=True):
    """A record as it was signed, and whether it still holds; ``why`` says what is wrong.

    The signature is Ed25519 over ``everloop-decision `` and the bytes of ``text``.
    """

    text: str
    signature: str
    valid: bool
    why: str = ""


def sign(
    conn: sa.Connection,
    signer: Signer,
    cycle: str,
    *,
    outcome: str,
    approved: bool,
    asked: int,
    decided: int,
    rule: Rule,
    words: Sequence[Word],
) -> tuple[str, str]:
    """The record's text and its signature, from what this transaction sees."""
    row = conn.execute(sa.select(cycles).where(cycles.c.id == cycle)).one()
    version, package = _package(conn, row)
    record = Record(
        FORMAT,
        cycle,
        row.loop,
        row.number,
        outcome,
        approved,
        asked,
        decided,
        rule,
        list(words),
        evidence_digest(conn, cycle),
        version,
        package,
    )
    text = json_text(record)
    return text, signer.sign(_PREFIX + text.encode())


def digest_of(text: str) -> str:
    """What the event log and the step call the record by."""
    return hashlib.sha256(text.encode()).hexdigest()


def verified(
    conn: sa.Connection, signer: Signer, cycle: str, text: str, signature: str, words: list[Word]
) -> SignedRecord:
    """The record of a cycle, compared with everything that it speaks of."""
    why = _broken(conn, signer, cycle, text, signature, words)
    return SignedRecord(text, signature, not why, why)


def _broken(
    conn: sa.Connection, signer: Signer, cycle: str, text: str, signature: str, words: list[Word]
) -> str:
    if not signer.verify(_PREFIX + text.encode(), signature):
        return "it is not signed by a trusted key, or was changed after it was signed"
    record = msgspec.json.decode(text, type=Record)
    row = conn.execute(sa.select(cycles).where(cycles.c.id == cycle)).one()
    if (record.cycle, record.loop, record.number) != (cycle, row.loop, row.number):
        return f"it is the record of cycle {record.number} of {record.loop}"
    if words[: len(record.words)] != record.words:
        return "what people said was changed afterwards"
    if evidence_digest(conn, cycle) != record.evidence:
        return "the evidence was changed after people had seen it"
    package = _package(conn, row)[1]
    if package is not None and package != record.package:
        return f"version {record.version} has another package now"
    step = conn.scalar(_of_step(cycle, cycle_steps.c.result))
    if (msgspec.json.decode(step or "{}").get("approved")) is not record.approved:
        return "the cycle's step says another outcome"
    return ""


def evidence_digest(conn: sa.Connection, cycle: str) -> str:
    """SHA-256 over the cause and the results of every step before the approval, as stored."""
    place = _of_step(cycle, cycle_steps.c.position).scalar_subquery()
    steps = conn.execute(
        sa.select(cycle_steps.c.step, cycle_steps.c.result)
        .where(cycle_steps.c.cycle == cycle, cycle_steps.c.position < place)
        .order_by(cycle_steps.c.position)
    )
    cause = conn.scalar(sa.select(cycles.c.cause).where(cycles.c.id == cycle))
    content = [cause, *([name, result] for name, result in steps)]
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


def _of_step(cycle: str, column: sa.Column[Any]) -> sa.Select[Any]:
    return sa.select(column).where(cycle_steps.c.cycle == cycle, cycle_steps.c.step == "approve")


def _package(conn: sa.Connection, cycle: sa.Row[Any]) -> tuple[int | None, str | None]:
    """The version that the cycle is about, and its package's digest."""
    made = conn.scalar(
        sa.select(cycle_steps.c.result).where(
            cycle_steps.c.cycle == cycle.id, cycle_steps.c.step == "register"
        )
    )
    version = msgspec.json.decode(made or "{}").get("version")
    if version is None:
        version = msgspec.json.decode(cycle.cause).get("version")
    if version is None:
        return None, None
    known = model_versions.c.model == cycle.loop, model_versions.c.version == version
    return version, conn.scalar(sa.select(model_versions.c.digest).where(*known))
