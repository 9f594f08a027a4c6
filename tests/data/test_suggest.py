"""What ``everloop init`` sees in a file."""

from __future__ import annotations

import polars as pl
import pytest

from everloop.data.suggest import suggest
from everloop.errors import InvalidInput


def test_names_and_values_tell_the_roles(tmp_path):
    path = tmp_path / "d.csv"
    pl.DataFrame(
        {
            "trip_id": range(30),
            "born": [f"19{50 + i}-01-01" for i in range(30)],
            "created_at": [f"2024-01-{1 + i:02} 10:00" for i in range(30)],
            "Label": ["yes", "no"] * 15,
            "x": [i / 7 for i in range(30)],
        }
    ).write_csv(path)
    found = suggest(path)
    assert (found.target, found.time, found.id, found.task) == (
        "Label", "created_at", "trip_id", "binary",
    )  # fmt: skip
    assert "often called" in found.why
    assert found.notes == []


def test_otherwise_the_last_column_is_the_target(tmp_path):
    path = tmp_path / "d.csv"
    pl.DataFrame({"a": range(30), "b": [i / 7 for i in range(30)]}).write_csv(path)
    found = suggest(path)
    assert (found.target, found.time, found.id, found.task) == ("b", None, None, "regression")
    assert "last column" in found.why


def test_what_must_be_mended_is_a_note(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    found = suggest(path)
    assert found.task is None
    assert "at least 10 rows" in found.notes[0]


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(InvalidInput):
        suggest(tmp_path / "no.csv")
