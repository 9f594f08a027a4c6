"""Both sides counted: the order does not matter, any difference does."""

from __future__ import annotations

import random

from everloop.tracking.moving.census import Census, reconcile


def tally(records: list[object]) -> tuple[int, str]:
    census = Census()
    for record in records:
        census.add("params", [record])
    return census.tallies["params"].count, census.tallies["params"].checksum


def test_the_order_does_not_matter() -> None:
    records: list[object] = [(f"run {n}", "lr", str(n)) for n in range(500)]
    shuffled = random.Random(0).sample(records, len(records))
    assert tally(records) == tally(shuffled)


def test_a_changed_a_doubled_and_a_missing_record_show() -> None:
    records: list[object] = [("r", "k", n, float(n), False) for n in range(100)]
    whole = tally(records)[1]
    assert tally([*records[:-1], ("r", "k", 99, 99.00000000000001, False)])[1] != whole
    assert tally([*records[:-1], ("r", "k", 99, 99.0, True)])[1] != whole
    assert tally(records[:-1])[1] != whole
    assert tally([*records[:-1], records[0]])[1] != whole  # as many, one of them twice
    assert tally([*records, records[0], records[0]])[1] != whole


def test_where_a_text_ends_matters() -> None:
    assert tally([("ab", "c")])[1] != tally([("a", "bc")])[1]


def test_a_line_tells_both_sides() -> None:
    theirs, ours = Census(), Census()
    theirs.add("tags", ["a"])
    ours.add("tags", ["b"])
    line = next(line for line in reconcile(theirs, ours) if line.kind == "tags")
    assert (line.theirs, line.ours, line.equal) == (1, 1, False)
