from __future__ import annotations

from everloop.monitor.episodes import QUIET, Episodes, follow


def test_what_goes_on_is_told_once() -> None:
    under_way: Episodes = {}
    told = []
    for window, effect in enumerate([0.3, 0.31, 0.35, 0.3]):
        under_way, news = follow(under_way, {"temp": effect}, window)
        told.append(news)
    assert told == [["temp"], [], [], []]
    assert (under_way["temp"].since, under_way["temp"].peak) == (0, 0.35)


def test_what_grows_is_told_again() -> None:
    under_way, _ = follow({}, {"temp": 0.3}, 0)
    _, news = follow(under_way, {"temp": 0.6}, 1)
    assert news == ["temp"]


def test_an_episode_ends_after_quiet_windows() -> None:
    under_way, _ = follow({}, {"temp": 0.3}, 0)
    for window in range(1, QUIET):
        under_way, _ = follow(under_way, {}, window)
    assert follow(under_way, {"temp": 0.3}, QUIET)[1] == []
    under_way, _ = follow(under_way, {}, QUIET)
    assert follow(under_way, {"temp": 0.3}, QUIET + 1)[1] == ["temp"]
