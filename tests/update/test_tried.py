from __future__ import annotations

import pytest

from everloop.update.tried import Tried, taken


def line(gain: float | None, behind: float | None = None, low: float = 0.01) -> Tried:
    return Tried("m", "all", None, 0.9, gain, low, 0.1, 1.0, behind)


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ([], None),
        ([line(None)], None),
        ([line(0.03, -0.001), line(0.04)], 0),  # within the noise of the best, and cheaper
        ([line(0.03, 0.001), line(0.04)], 1),  # surely behind it
        ([line(0.01, -0.1), line(0.04)], 1),  # too little of the best one's gain
        ([line(0.03, -0.1, low=-0.01), line(0.04)], 1),  # not surely better than the champion
        ([line(0.004, -0.1), line(0.006)], 1),  # not worth it by itself
        ([line(None), line(0.04), line(0.03, -0.1)], 1),
        ([line(-0.01)], 0),  # the best of nothing good: weighed, and found wanting
    ],
)
def test_the_cheapest_within_the_noise_of_the_best_is_taken(
    table: list[Tried], place: int | None
) -> None:
    assert taken(table, 0.005) == place
