"""A batch from its first row, or from where it was cut off, to its last.

Rows come in the same order each time, so a part is known by its number: after a crash the parts
that are there are believed (the source is compared with what it was), and the next one is made.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from everloop.data.addresses import is_database
from everloop.data.references import Part
from everloop.data.streams import Table
from everloop.data.streams.queries import RowSum
from everloop.errors import Conflict, InvalidInput, invalid
from everloop.loop.answers import PackagedModel
from everloop.loop.batches.answering import Answering
from everloop.loop.batches.records import Batch, Finished, Header, Piece, Span, identity
from everloop.loop.batches.source import Rows, cut, open_source, rows_from
from everloop.loop.batches.targets import Target, open_target
from everloop.loop.batches.targets._base import Reject
from everloop.loop.project import Project
from everloop.passwords import without_passwords
from everloop.registry.models import ModelVersion
from everloop.store.clock import now_ms

Tell = Callable[[str, int, int | None], None]


def predict_batch(
    model: str,
    source: str | Path,
    to: str | Path,
    *,
    dir: Path | str = ".",
    tell: Tell | None = None,
    **how: Any,
) -> Finished:
    """Predict every row of ``source``, however many, and return the totals.

    Parameters
    ----------
    model : ``NAME``, ``NAME@ALIAS`` or ``NAME/3``.
    source : a file, a pattern or a folder of CSV, Parquet, Arrow or JSON lines; the same in an
        object store (``s3://…``); SQLAlchemy's URL of a database, or ``duckdb://``, with ``query``.
    to : a folder that is new, or the URL of a database with the name of a new ``table``.
    dir : the project's folder.
    tell : called with ``("rows", done, None)`` as the work goes on.
    how : ``query``, ``table``; ``keep``, columns of the source to stand beside the answers (the
        model's id column always does); ``probabilities``, of every class; ``format``, "parquet"
        or "csv"; ``rows`` of a part; ``errors``, "fail" at the first row that does not fit the
        model's schema, or "reject" it to ``_rejects/`` with the reason.

    The same call after a crash goes on where it was, with the version it began with; a row is
    never answered twice or left out. Memory is bounded by some 16,384 rows of the source, with
    what Polars reads ahead, and the answers of one part.

    Raises :class:`~everloop.errors.InvalidInput` for what does not fit, and
    :class:`~everloop.errors.Conflict` when the source has changed since the batch began, when it
    began otherwise, and when another process writes there.
    """
    named = {"model": model, "source": str(source), "to": str(to), **how}
    try:
        batch = msgspec.convert(named, Batch)
    except msgspec.ValidationError as error:
        raise invalid("batch", named, f"the arguments of predict_batch ({error})") from None
    with Project.open(dir) as project:
        here = batch.from_folder(Path.cwd())
        return predicted(project, here, actor="python", tell=tell)


def predicted(project: Project, batch: Batch, *, actor: str, tell: Tell | None = None) -> Finished:
    """The same in an open project."""
    batch.checked()
    started = time.monotonic()
    with open_target(batch, project.dir, project.state) as target:
        version = _version(project, batch, target.header)
        loaded = PackagedModel(*project.package(version))
        answering = Answering(loaded, batch)
        table = open_source(batch, project.dir, answering.text)
        header = _header(batch, version, table.marks())
        _agree(target.header, header)
        if target.finished is not None:
            there = target.finished
            return msgspec.structs.replace(there, resumed=there.pieces, seconds=0.0)
        if target.header is None:
            target.begin(header)
        resumed = len(target.pieces)
        try:
            _go_on(target, table, header.parts, answering, tell or _silent)
        except InvalidInput as error:
            if error.code != "unreadable_file":
                raise
            table = open_source(batch, project.dir, answering.every)
            _go_on(target, table, header.parts, answering, tell or _silent)
        if not target.pieces:
            raise invalid("source", batch.source, "at least one row", code="empty_source")
        assert target.header is not None
        finished = _totals(target.header, target.pieces, resumed, time.monotonic() - started)
        _record(project, finished, actor)
        target.finish(finished)
        return finished


def _version(project: Project, batch: Batch, begun: Header | None) -> ModelVersion:
    """An alias may have moved since; a batch keeps the version that it began with."""
    if begun is not None and begun.batch.model == batch.model:
        return project.registry.version(begun.model, begun.version)
    return project.registry.resolve(batch.model)


def _header(batch: Batch, version: ModelVersion, parts: list[Part]) -> Header:
    return Header(
        id=uuid.uuid4().hex, batch=batch, model=version.model, version=version.version,
        digest=version.package_digest(), parts=parts, created=now_ms(),
    )  # fmt: skip


def _agree(begun: Header | None, now: Header) -> None:
    """Raises Conflict when parts that are there were made otherwise."""
    if begun is None:
        return
    for name in Batch.__struct_fields__:
        then, asked = getattr(begun.batch, name), getattr(now.batch, name)
        if then != asked and name != "to":
            raise Conflict(
                f"{name}: got {asked!r}, but the parts in {without_passwords(now.batch.to)} "
                f"were made with {then!r}.",
                code="batch_differs", path=name, got=asked, expected=repr(then),
                fix="Ask as before to go on, or name another place to begin anew.",
            )  # fmt: skip
    before = {part.address: part for part in begun.parts}
    after = {part.address: part for part in now.parts}
    if before.keys() != after.keys():
        address = min(before.keys() ^ after.keys())
        raise _changed(address, "is gone" if address in before else "is new")
    for address, part in after.items():
        if not _same(before[address], part):
            raise _changed(address, "has changed")


def _same(before: Part, now: Part) -> bool:
    by = "sha256" if now.sha256 else "stamp"
    return before.bytes == now.bytes and bool(getattr(before, by) == getattr(now, by))


def _changed(address: str, how: str) -> Conflict:
    return Conflict(
        f"source: {address} {how} since this batch began.",
        code="source_changed", path="source", got=address,
        fix="Put the old content back to go on, or name another place to begin anew.",
    )  # fmt: skip


def _go_on(
    target: Target, table: Table, parts: list[Part], answering: Answering, tell: Tell
) -> None:
    """Make the parts that are not there yet."""
    assert target.header is not None
    batch = target.header.batch
    by_query = is_database(batch.source)
    done = [*target.pieces]
    after = None if by_query or not done else done[-1]
    first = 0 if after is None else len(done)
    if done and (done[-1].rows < batch.rows):
        return  # a part that is not full was the last one
    count = sum(piece.rows for piece in done)
    making = _Making(first, by_query)
    for number, rows in cut(rows_from(table, parts, after), batch.rows, first):
        if number != making.number:
            _settle(target, making, done)
            making = _Making(number, by_query)
        making.add(rows)
        if number >= len(done):
            making.keep(*answering.answer(rows, parts[rows.part].address))
            count += rows.frame.height
            tell("rows", count, None)
    if making.spans:
        _settle(target, making, done)


class _Making:
    """A part on its way."""

    def __init__(self, number: int, marked: bool) -> None:
        self.number = number
        self.spans: list[Span] = []
        self.frames: list[pl.DataFrame] = []
        self.rejects: list[Reject] = []
        self._sum = RowSum() if marked else None

    def add(self, rows: Rows) -> None:
        last = self.spans[-1] if self.spans else None
        if last is not None and last.part == rows.part:
            self.spans[-1] = Span(last.part, last.first, last.rows + rows.frame.height)
        else:
            self.spans.append(rows.span)
        if self._sum is not None:
            self._sum.add(rows.frame)

    def keep(self, frames: list[pl.DataFrame], rejects: list[Reject]) -> None:
        self.frames += frames
        self.rejects += rejects

    def piece(self) -> Piece:
        mark = self._sum.hexdigest() if self._sum is not None else ""
        written = sum(frame.height for frame in self.frames)
        return Piece(self.number, self.spans, written, len(self.rejects), mark=mark)


def _settle(target: Target, making: _Making, done: list[Piece]) -> None:
    """Write a part down; of a query's answer, compare one that is there with its rows now."""
    piece = making.piece()
    if making.number < len(done):
        known = done[making.number]
        if (piece.rows, piece.mark) != (known.rows, known.mark):
            raise _changed(
                f"the answer to the query, from row {making.spans[0].first + 1:,} on,",
                "has other rows, or another order,",
            )
        return
    frame = pl.concat(making.frames, how="vertical_relaxed") if making.frames else pl.DataFrame()
    target.put(piece, frame, making.rejects)


def _totals(header: Header, pieces: list[Piece], resumed: int, seconds: float) -> Finished:
    return Finished(
        id=header.id, model=header.model, version=header.version, digest=header.digest,
        source=without_passwords(header.batch.source), data=identity(header.parts, pieces),
        to=without_passwords(header.batch.to), table=header.batch.table,
        rows=sum(p.rows for p in pieces), written=sum(p.written for p in pieces),
        rejected=sum(p.rejected for p in pieces), pieces=len(pieces), resumed=resumed,
        seconds=round(seconds, 3),
    )  # fmt: skip


def _record(project: Project, finished: Finished, actor: str) -> None:
    """The event of the batch, once: a crash may lie between it and the end."""
    subject = f"batch:{finished.model}/{finished.version}"
    known = project.events.latest(1000, subject=subject)
    if any(event.payload.get("id") == finished.id for event in known):
        return
    with project.events.transaction() as conn:
        project.events.append(
            conn, actor=actor, kind="batch.predicted", subject=subject,
            payload=msgspec.to_builtins(finished),
        )  # fmt: skip


def _silent(what: str, done: int, total: int | None) -> None:
    return
