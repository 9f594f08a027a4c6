"""Durations as people write them."""

from __future__ import annotations

import pytest

from everloop.durations import milliseconds, seconds
from everloop.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "expected"), [("250ms", 0.25), (" 1.5 h ", 5400.0), ("2w", 1_209_600.0), ("0s", 0.0)]
)
def test_a_number_and_a_unit(text: str, expected: float) -> None:
    assert seconds(text) == expected
    assert milliseconds(text) == round(expected * 1000)


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "1e3s", "7 days", "nan", 7, None])
def test_another_form_is_refused(text: object) -> None:
    with pytest.raises(InvalidInput, match=r"^update\.cooldown: got .*, expected a number and a"):
        milliseconds(text, "update.cooldown")  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["9" * 400 + "d", "9" * 30 + "ms", "365001d"])
def test_more_than_a_clock_shows_is_refused(text: str) -> None:
    assert milliseconds("365000d") == 365_000 * 86_400_000
    with pytest.raises(InvalidInput, match=r'^gap: got .*, expected a duration of at most "36'):
        milliseconds(text, "gap")
