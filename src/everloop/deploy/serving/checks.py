"""Cheap checks of every request: a value that is missing, out of range, or of an unknown category.

What is expected comes with the model: its schema says what was never missing and which levels it
knows, the profile of its training rows the range of a number (half of it is room beyond each end).
Where a person has written ``expectations.toml``, that is obeyed instead, feature by feature. What
is not as expected is counted and marked in the log, and refused where ``deploy.serving.refuse``
names the check. A request in order costs one comparison of its matrix with its bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from everloop.data.ranges import with_room
from everloop.data.schema import Feature, Schema
from everloop.deploy.serving.features import READERS, CategoryReader
from everloop.deploy.serving.inputs import Rows
from everloop.deploy.spec import Check
from everloop.deploy.state import Bounds
from everloop.errors import InvalidInput, invalid

PROFILE = "profile.json"  # of a package
CHECKED = ("number", "boolean", "category", "datetime")

Ranges = Mapping[str, tuple[float, float]]
Count = Callable[[str, str, int], None]  # a feature, a check, rows


class _Sketch(msgspec.Struct):
    kind: str = ""
    points: tuple[float, ...] = ()


class _Profile(msgspec.Struct):
    features: dict[str, _Sketch] = {}


def ranges_of(folder: Path) -> Ranges:
    """The range of each number in a verified package's training rows, with room; empty without."""
    try:
        profile = msgspec.json.decode((folder / PROFILE).read_bytes(), type=_Profile)
    except (FileNotFoundError, msgspec.MsgspecError):
        return {}
    return {
        name: with_room(sketch.points[0], sketch.points[-1])
        for name, sketch in profile.features.items()
        if sketch.kind == "number" and sketch.points
    }


class Checks:
    """The checks of one version at an endpoint.

    Parameters
    ----------
    learned : ranges of numbers by feature.
    expected : what a person wrote, by feature; obeyed instead of what was learned.
    refuse : the checks that turn a request down.
    count : told of each feature whose rows were not as expected, by :meth:`judge`.
    final : whether nobody else answers what is refused here.

    :meth:`look` may be called in any thread, :meth:`judge` on the event loop only.
    """

    def __init__(
        self,
        schema: Schema,
        learned: Ranges,
        expected: Mapping[str, Bounds],
        refuse: Collection[Check],
        count: Count,
        final: bool = True,
    ) -> None:
        spans = schema.spans
        features = [f for f in schema.features if f.kind in CHECKED]
        self._looks = [
            _Look(f, spans[f.name].start, expected.get(f.name, Bounds()), learned.get(f.name))
            for f in features
        ]
        places = [spans[f.name].start for f in features]
        self._places = None if places == list(range(schema.width)) else places
        self._low = np.array([look.low for look in self._looks])
        self._high = np.array([look.high for look in self._looks])
        self._always = np.array([look.always for look in self._looks], dtype=bool)
        self._by_name = {look.name: look for look in self._looks}
        self._refuse, self._count, self._final = frozenset(refuse), count, final

    def look(self, rows: Rows) -> Rows:
        """The rows, with a mark on those that are not as expected."""
        X = rows.X if self._places is None else rows.X[:, self._places]
        # A value within its bounds stays itself; one that is missing or beyond them does not.
        if np.fmin(np.fmax(X, self._low), self._high).tobytes() == X.tobytes():
            return rows
        missing = np.isnan(X) & self._always
        beyond = (self._low > X) | (self._high < X)
        marks: list[list[str]] = [[] for _ in range(len(X))]
        for place in np.flatnonzero((missing | beyond).any(axis=0)):
            wrong = np.flatnonzero(missing[:, place] | beyond[:, place]).tolist()
            look = self._looks[place]
            for row in wrong:
                check = look.check(look.sent(rows, row))
                if check is not None:
                    marks[row].append(f"{check} {look.name}")
        return rows._replace(marks=marks) if any(marks) else rows

    def judge(self, rows: Rows) -> Rows:
        """The same rows, once what is marked has been counted.

        Raises :class:`~everloop.errors.InvalidInput` for the first mark that is to be refused.
        """
        counted: dict[str, int] = {}
        refusal: InvalidInput | None = None
        for row, marks in enumerate(rows.marks or ()):
            for mark in marks:
                counted[mark] = counted.get(mark, 0) + 1
                check, _, name = mark.partition(" ")
                if refusal is None and check in self._refuse:
                    refusal = self._by_name[name].refusal(check, rows, row)
        if refusal is None or self._final:
            for mark, count in counted.items():
                check, _, name = mark.partition(" ")
                self._count(name, check, count)
        if refusal is not None:
            raise refusal
        return rows


class _Look:
    """What one feature's values should be."""

    def __init__(
        self, feature: Feature, place: int, expected: Bounds, learned: tuple[float, float] | None
    ) -> None:
        self.name, self._kind = feature.name, feature.kind
        self._place = place
        free = feature.nullable if expected.missing is None else expected.missing > 0
        self.always = not free  # there must be a value
        self._levels = feature.levels if expected.levels is None else expected.levels
        self.low, self.high = -np.inf, np.inf
        if feature.kind == "number":
            self.low, self.high = expected.range or learned or (self.low, self.high)
        elif feature.kind == "category":
            self._known = _spellings(feature, self._levels)
            # Codes begin at 0; where other levels are expected than the model's, all are looked at.
            self.low = 0.0 if self._levels == feature.levels else np.inf

    def sent(self, rows: Rows, row: int) -> Any:
        """The value as the caller sent it."""
        if self._kind == "number":
            value = float(rows.X[row, self._place])
            return None if value != value else value
        return rows.columns[self.name][row]

    def check(self, sent: Any) -> Check | None:
        """What is wrong with it, if anything."""
        if sent is None:
            return "missing" if self.always else None
        if self._kind == "category":
            return None if sent in self._known else "unknown_category"
        return "out_of_range" if self._kind == "number" else None

    def refusal(self, check: str, rows: Rows, row: int) -> InvalidInput:
        """What the caller is told."""
        if check == "missing":
            expected = "a value"
        elif check == "out_of_range":
            expected = f"a number from {self.low:g} to {self.high:g}"
        else:
            expected = "one of " + ", ".join(map(repr, self._levels[:10]))
        path = f"$[{row}].{self.name}"
        return invalid(path, self.sent(rows, row), expected, code=check, path=path)


def _spellings(feature: Feature, levels: tuple[str, ...]) -> Collection[Any]:
    """The values that stand for the levels: ``"30"`` and 30 for the level "30"."""
    reader = READERS["category"](msgspec.structs.replace(feature, levels=levels))
    assert isinstance(reader, CategoryReader)
    return reader.known
