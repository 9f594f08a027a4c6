"""One alarm for one thing: a drift that goes on for weeks is told once, and again if it grows."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

QUIET = 3  # windows without the finding that end an episode
GROWTH = 0.25  # above the largest effect so far is worth telling again


class Episode(msgspec.Struct, frozen=True):
    """A finding that is under way."""

    since: int  # start of its first window
    peak: float  # largest effect so far
    quiet: int = 0  # windows in a row without it


Episodes = dict[str, Episode]


def follow(
    under_way: Episodes, found: Mapping[str, float], window: int, worth: float = 0.0
) -> tuple[Episodes, list[str]]:
    """The episodes after a window, and the names in ``found`` (name to effect) that are news.

    An effect that reaches ``worth`` for the first time is news too.
    """
    after: Episodes = {}
    news: list[str] = []
    for name, effect in found.items():
        before = under_way.get(name)
        if before is None:
            after[name] = Episode(window, effect)
            news.append(name)
        else:
            if effect >= before.peak + GROWTH or before.peak < worth <= effect:
                news.append(name)
            after[name] = Episode(before.since, max(before.peak, effect))
    for name, before in under_way.items():
        if name not in found and before.quiet + 1 < QUIET:
            after[name] = msgspec.structs.replace(before, quiet=before.quiet + 1)
    return after, news
