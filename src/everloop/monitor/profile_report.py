"""A window's profile beside what it should be like: what the page, the verb and HTTP show."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np

from everloop.errors import NotFound, invalid
from everloop.monitor.aspects.naming import aspect_name
from everloop.monitor.kept import KeptProfile, kept_profile
from everloop.monitor.profile import CategorySketch, NumberSketch, Sketch, kind_of, read_profile
from everloop.monitor.summaries.drawing import reach, shares
from everloop.monitor.summaries.table import TableProfile
from everloop.monitor.vectors import VectorSketch
from everloop.monitor.windows import Window, WindowStore
from everloop.store.blobs import Blobs

BEFORE = 8  # windows that a segment is set beside
MOST = 366  # windows that are merged
LEVELS = 8  # of a category that are drawn


class ProfileLine(msgspec.Struct, frozen=True):
    """One column or aspect: histograms are shares over the same steps, or of the ``names``.

    The steps go from the first number of ``span`` to the second.
    """

    name: str
    kind: str
    rows: int
    missing: float
    missing_before: float | None
    facts: str
    facts_before: str
    now: list[float]
    before: list[float]
    names: list[str] = []
    span: tuple[float, float] | None = None


class ProfileReport(msgspec.Struct, frozen=True):
    """What was in ``windows`` windows from ``start`` to ``end`` (ms) of an endpoint.

    ``beside`` says what stands beside it: the training rows, or of a segment the windows before.
    """

    endpoint: str
    start: int
    end: int
    windows: int
    rows: int
    segment: str | None
    segments: list[str]
    beside: str
    lines: list[ProfileLine]


class _Histograms(NamedTuple):
    now: list[float]
    before: list[float]
    names: list[str]
    span: tuple[float, float] | None = None


class Profiles:
    """The kept profiles of an endpoint's windows."""

    def __init__(self, windows: WindowStore, blobs: Blobs, endpoint: str) -> None:
        self.store, self.blobs, self.endpoint = windows, blobs, endpoint

    def windows(self, start: int | None, until: int | None = None) -> list[Window]:
        """The window that starts at ``start`` (ms), by default the newest, and those after it that
        start before ``until``. Raises :class:`~everloop.errors.NotFound`."""
        first = self.store.latest(self.endpoint)
        if start is not None:
            first = self.store.get(self.endpoint, start)
        if first is None:
            raise NotFound(f"window: no window of endpoint {self.endpoint!r} is over yet.")
        if until is None:
            return [first]
        if until <= first.start:
            raise invalid("until", until, f"a moment after the window's start, {first.start}")
        found = self.store.since(self.endpoint, first.start)
        return [window for window in found if first.start <= window.start < until][:MOST]

    def profile(
        self, start: int | None = None, until: int | None = None, segment: str | None = None
    ) -> TableProfile:
        """What the rows were like; it merges with others, and ``el.compare`` takes it."""
        return kept_profile(self.blobs, self.windows(start, until)).of(segment)

    def report(
        self, start: int | None = None, until: int | None = None, segment: str | None = None
    ) -> ProfileReport:
        """The same beside what it should be like."""
        windows = self.windows(start, until)
        kept = kept_profile(self.blobs, windows)
        now = kept.of(segment)
        beside, before = self._before(windows[0], segment)
        return ProfileReport(
            endpoint=self.endpoint,
            start=windows[0].start,
            end=windows[-1].end,
            windows=len(windows),
            rows=now.rows,
            segment=segment,
            segments=sorted(kept.segments),
            beside=beside,
            lines=profile_lines(now, before),
        )

    def _before(self, window: Window, segment: str | None) -> tuple[str, dict[str, Sketch]]:
        if segment is None:
            digest = window.checks.get("reference", "")
            if not digest or not self.blobs.exists(digest):
                return "", {}
            return "the training rows", read_profile(self.blobs.get(digest)).sketches()
        earlier = self.store.page(self.endpoint, before=window.start, limit=BEFORE)
        known = [w for w in earlier if w.checks.get("profile") and not w.quarantined]
        found = kept_profile(self.blobs, known) if known else KeptProfile(TableProfile(), {})
        if segment not in found.segments:
            return "", {}
        said = f"the same segment in the {len(known)} windows before"
        return said, found.segments[segment].sketches().sketches()


def profile_lines(now: TableProfile, before: dict[str, Sketch]) -> list[ProfileLine]:
    """Every column and aspect, those of ``before`` beside them where they tell the same."""
    lines = []
    for name, sketch in now.sketches(before).sketches().items():
        old = before.get(name)
        of = sketch.of if isinstance(sketch, NumberSketch) else ""
        if isinstance(old, NumberSketch) and of != old.of:
            old = before.get(aspect_name(name, of))
        if old is not None and type(old) is not type(sketch):
            old = None
        lines.append(_line(name, sketch, old))
    return lines


def _line(name: str, sketch: Sketch, old: Sketch | None) -> ProfileLine:
    now, before, names, span = _histograms(sketch, old)
    kind = kind_of(sketch)
    return ProfileLine(
        name=name,
        kind=f"{kind} ({sketch.of})" if isinstance(sketch, NumberSketch) and sketch.of else kind,
        rows=sketch.rows,
        missing=_missing(sketch),
        missing_before=None if old is None else _missing(old),
        facts=facts_of(sketch),
        facts_before="" if old is None else facts_of(old),
        now=now,
        before=before,
        names=names,
        span=span,
    )


def _missing(sketch: Sketch) -> float:
    return round(sketch.missing / max(sketch.rows, 1), 4)


def _histograms(now: Sketch, old: Sketch | None) -> _Histograms:
    if isinstance(now, NumberSketch) and now.n:
        span = reach(now)
        if isinstance(old, NumberSketch) and old.n:
            low, high = reach(old)
            span = min(low, span[0]), max(high, span[1])
            return _Histograms(shares(now, span), shares(old, span), [], span)
        return _Histograms(shares(now, span), [], [], span)
    if isinstance(now, CategorySketch) and now.n:
        known = old if isinstance(old, CategorySketch) and old.levels == now.levels else None
        order = np.argsort(-np.array((known or now).counts, dtype=np.int64), kind="stable")[:LEVELS]
        names = [now.levels[i] for i in order]
        told = [_shares(sketch, order) for sketch in (now, known) if sketch is not None]
        return _Histograms(told[0], told[1] if known else [], [*names, "others"])
    return _Histograms([], [], [])


def _shares(sketch: CategorySketch, order: Any) -> list[float]:
    shown = [sketch.counts[i] / max(sketch.n, 1) for i in order]
    return [*shown, max(0.0, 1.0 - sum(shown))]


def facts_of(sketch: Sketch) -> str:
    """Three quantiles and the mean, the frequent levels, or how far a vector spreads."""
    if not sketch.n:
        return "no value"
    if isinstance(sketch, VectorSketch):
        return f"{sketch.size} numbers, length of the mean {np.linalg.norm(sketch.mean):.3g}"
    if isinstance(sketch, NumberSketch):
        low, middle, high = sketch.quantile(np.array([0.05, 0.5, 0.95]))
        return f"{low:.4g} … {middle:.4g} … {high:.4g}, mean {sketch.mean:.4g}"
    top = sorted(zip(sketch.counts, sketch.levels, strict=True), key=lambda one: -one[0])[:3]
    return ", ".join(f"{name[:24]} {count / sketch.n:.1%}" for count, name in top if count)
