"""What must not be told is taken out of a record here, before anything of it touches a disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from everloop.data.pseudonyms import MASK, PURPOSE, pseudonym
from everloop.data.segments import FeedbackRecord, PredictionRecord
from everloop.deploy.state import LogRules
from everloop.errors import EverloopError
from everloop.registry.signing import Keys

KEY = "log.key"
WITHHELD = "withheld, since it could tell a hidden value"

_SCALE = float(2**64)


class Redaction:
    """The rules of one endpoint; without a ``key`` what should be hashed is masked."""

    def __init__(self, rules: LogRules, key: bytes | None) -> None:
        self._key = key
        self._masked = frozenset(rules.mask if key else (*rules.mask, *rules.hash))
        self._hashed = frozenset(rules.hash if key else ())
        self._dropped = frozenset(rules.drop)
        self.hides = bool(self._masked or self._hashed or self._dropped or rules.ids)
        self._ids = rules.ids
        self._rate = rules.sample
        # Rows are chosen by eight bytes of their id's hash, the same in every process.
        self._below = int(rules.sample * _SCALE)

    def prediction(self, record: PredictionRecord) -> PredictionRecord | None:
        """The record as it may be kept; None when none of its rows is."""
        if self._rate >= 1.0 and not self.hides:
            return record
        record = record.unpacked()
        if self._rate < 1.0:
            kept = [row for row, id in enumerate(record.ids) if self._keeps(id)]
            if not kept:
                return None
            record = _of_rows(record, kept, self._rate)
        if not self.hides:
            return record
        return msgspec.structs.replace(
            record,
            ids=self._named(record.ids),
            columns=self._columns(record.columns),
            marks=None if record.marks is None else [self._shown(row) for row in record.marks],
            error=None if record.error is None else WITHHELD,
        )

    def feedback(self, record: FeedbackRecord) -> FeedbackRecord:
        """The labels with ids as predictions have them. Labels are not sampled."""
        return msgspec.structs.replace(record, ids=self._named(record.ids))

    def _keeps(self, id: str) -> bool:
        digest = hashlib.blake2b(id.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") < self._below

    def _named(self, ids: list[str]) -> list[str]:
        if not self._ids:
            return ids
        if self._key is None:
            return [MASK] * len(ids)
        return [str(pseudonym(id, self._key)) for id in ids]

    def _columns(self, columns: dict[str, Any]) -> dict[str, Any]:
        return {
            name: self._values(name, values)
            for name, values in columns.items()
            if name not in self._dropped
        }

    def _shown(self, marks: list[str]) -> list[str]:
        hidden = self._masked | self._hashed | self._dropped
        return [mark for mark in marks if mark.partition(" ")[2] not in hidden]

    def _values(self, name: str, values: Sequence[Any]) -> Sequence[Any]:
        if name in self._masked:
            return [None if value is None else MASK for value in values]
        if name in self._hashed and self._key is not None:
            return [pseudonym(value, self._key) for value in values]
        return values


def read_key(folder: Path) -> bytes:
    """The secret of a project's hashes: a file of its own, or derived from the signing key.

    Raises :class:`~everloop.errors.EverloopError` where there is neither.
    """
    try:
        return bytes.fromhex((folder / KEY).read_text("ascii"))
    except FileNotFoundError:
        return Keys.load(folder).derive(PURPOSE)
    except ValueError:
        raise EverloopError(f"{KEY}: expected 64 hexadecimal digits.", path=KEY) from None


def _of_rows(record: PredictionRecord, rows: list[int], rate: float) -> PredictionRecord:
    """Some rows of a record, in their order."""

    def of(values: Any) -> Any:
        return [values[row] for row in rows] if values else values

    return msgspec.structs.replace(
        record,
        ids=of(record.ids),
        times=of(record.times),
        columns={name: of(values) for name, values in record.columns.items()},
        y=of(record.y),
        p=of(record.p),
        marks=of(record.marks),
        rate=rate,
    )
