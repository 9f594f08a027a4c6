from __future__ import annotations

from typing import Any

from everloop.train.tried import failed, none_fitted


def test_what_a_library_says_in_paragraphs_is_one_sentence_of_ours() -> None:
    told: list[dict[str, Any]] = []
    said = failed(lambda _, facts: told.append(facts), "svm", ValueError("Bad.\n\n  - rows\n"))
    assert said == "svm: ValueError: Bad. - rows"
    assert told == [{"candidate": "svm", "error": "ValueError: Bad. - rows"}]
    assert "\n" not in none_fitted(["svm"], [said]).message
