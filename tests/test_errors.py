from __future__ import annotations

import pytest

from everloop.errors import did_you_mean, no_column, not_one_of


@pytest.mark.parametrize(
    ("word", "sentence"), [("drfit", 'Did you mean "drift"?'), ("xyzzy", None), ("", None)]
)
def test_a_suggestion_names_a_choice_only_if_one_is_close(word: str, sentence: str | None) -> None:
    assert did_you_mean(word, ("drift", "labels")) == sentence


def test_a_suggestion_is_written_as_the_user_would() -> None:
    assert did_you_mean("postgre", ["postgresql"], "{}://".format) == (
        'Did you mean "postgresql://"?'
    )


def test_a_word_that_is_none_of_those_known_is_refused_in_one_sentence() -> None:
    said = not_one_of("update.search", "wram", iter(("warm", "keep")), code="unknown_name")
    assert said.message == (
        "update.search: got 'wram', expected one of warm, keep. Did you mean \"warm\"?"
    )
    assert (said.code, said.got, said.fix) == ("unknown_name", "'wram'", 'Did you mean "warm"?')
    assert not_one_of("loop.seed", 3, ("one",)).fix is None


def test_the_refusal_of_a_column_names_the_first_that_there_are() -> None:
    assert no_column("label", "lable", ["id", "label"]).message == (
        "label: got 'lable', expected one of the columns id, label. Did you mean \"label\"?"
    )
    wide = no_column("label", "?", [f"c{i}" for i in range(23)])
    assert wide.message.endswith("c18, c19 and 3 more.") and wide.code == "unknown_column"
