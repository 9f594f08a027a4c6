"""Texts, images and sequences: found in a column, checked, and turned into numbers."""

from __future__ import annotations

import base64
import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

from everloop.data.columns import as_image, as_sequence
from everloop.data.conform import conform
from everloop.data.encode import encode
from everloop.data.infer import infer_schema
from everloop.data.merge import newer_over
from everloop.data.sources import read_table
from everloop.data.spec import DataSpec
from everloop.data.texts import vocabulary, word_ids, word_index, words
from everloop.errors import InvalidInput

N = 30


def png(seed: int, height: int = 4, width: int = 3, mode: str = "L") -> bytes:
    shape = (height, width) if mode == "L" else (height, width, 3)
    array = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def inferred(column: pl.Series, **more):
    frame = pl.DataFrame({"y": ["a", "b"] * (N // 2), "c": column})
    return infer_schema(frame, DataSpec("x.csv", "y", **more))


def test_words_are_lower_case_with_their_apostrophes_and_telling_signs():
    assert words("Don't WAIT: £500 now!! café_au") == [
        "don't", "wait", "£", "500", "now", "!", "!", "café", "au",
    ]  # fmt: skip


def test_the_vocabulary_holds_words_of_two_texts_most_frequent_first():
    assert vocabulary(["b a", "a c", "a b once", "b"]) == (("a", "b"), 3)
    assert vocabulary(["b a", "a b", "a"], most=1) == (("a",), 2)


def test_word_ids_know_unknown_missing_and_cut_off_words():
    index = word_index(("a", "b"))
    assert word_ids("b what A", index, 4) == [1, 2, 0, -1]
    assert word_ids(None, index, 2) == [-1, -1]
    assert word_ids("a b a", index, 2) == [0, 1]


def test_the_words_of_a_text_are_found_once(monkeypatch):
    letter = " ".join(f"word{i}" for i in range(300))
    letters = pl.Series([f"{letter} {i}" for i in range(N)])
    found = []
    monkeypatch.setattr("everloop.data.texts.words", lambda text: found.append(text) or words(text))
    told = inferred(letters, text=("c",))
    assert told.schema.features[0].shape == (256,)
    assert told.notes[0].endswith("only the first 256 of a text are read.")
    assert len(found) == N + 1  # one that is cut says that some are


def test_sentences_are_a_text_and_short_names_are_not():
    prose = pl.Series([f"the order number {i} came too late again" for i in range(N)])
    found = inferred(prose)
    feature = found.schema.features[0]
    assert (feature.kind, feature.shape) == ("text", (8,))
    assert feature.levels == ("again", "came", "late", "number", "order", "the", "too")
    assert found.notes == ['Column "c" is read as text: 7 words are known.']
    with pytest.raises(InvalidInput, match="nearly every row"):
        inferred(pl.Series([f"order {i}" for i in range(N)]))
    named = inferred(pl.Series([f"order {i}" for i in range(N)]), text=("c",))
    assert named.schema.features[0].levels == ("order",)


def test_images_have_the_most_frequent_size_and_others_are_scaled_to_it():
    column = pl.Series([png(i) for i in range(N - 1)] + [png(9, 8, 6)])
    found = inferred(column)
    assert found.schema.features[0].shape == (4, 3, 1)
    X = encode(pl.DataFrame({"c": column}), found.schema)
    first = np.asarray(Image.open(io.BytesIO(column[0])), dtype=float)
    assert np.array_equal(X[0], first.ravel())
    assert X.shape == (N, 12)
    small = inferred(column, image_size=(2, 2)).schema.features[0]
    assert small.shape == (2, 2, 1)
    colour = inferred(pl.Series([png(i, mode="RGB") for i in range(N)]))
    assert colour.schema.features[0].shape == (4, 3, 3)
    assert "colour images, 4 by 3" in colour.notes[0]


def test_bytes_base64_and_nested_numbers_are_one_image():
    data = png(1)
    array = np.asarray(Image.open(io.BytesIO(data)))
    schema = inferred(pl.Series([png(i) for i in range(N)])).schema
    forms = [
        pl.Series("c", [data]),
        pl.Series("c", [base64.b64encode(data).decode()]),
        pl.Series("c", ["data:image/png;base64," + base64.b64encode(data).decode()]),
        pl.Series("c", [array.tolist()]),
        pl.Series("c", [str(array.tolist())]),
    ]
    for column in forms:
        typed = conform(column.to_frame(), schema)
        assert typed.schema["c"] == pl.Binary
        assert np.array_equal(encode(typed, schema)[0], array.ravel())


@pytest.mark.parametrize(
    "value",
    [b"no image", png(1)[:60], "bm8gaW1hZ2U=", "§", "[[1, 2], [3]]", "[[300]]", "[1]"],
)
def test_what_is_no_image_is_refused_with_its_row(value):
    schema = inferred(pl.Series([png(i) for i in range(N)])).schema
    good = png(2) if isinstance(value, bytes) else base64.b64encode(png(2)).decode()
    frame = pl.DataFrame({"c": [good, value]})
    with pytest.raises(InvalidInput, match=r'column "c" row 2: got .* a PNG or JPEG image') as told:
        encode(frame, schema)
    assert told.value.code == "mistyped_column"
    assert len(told.value.message) < 300


def test_sequences_keep_their_last_steps_at_the_end():
    column = pl.Series([[float(i), 2.0, 3.0][: 1 + i % 3] for i in range(N)])
    schema = inferred(column).schema
    assert schema.features[0].shape == (3, 1)
    X = encode(pl.DataFrame({"c": [[7, 8], [1, 2, 3, 4], None]}), schema)
    assert np.array_equal(X, [[np.nan, 7, 8], [2, 3, 4], [np.nan] * 3], equal_nan=True)
    pairs = inferred(pl.Series([[[i, 1], [2, i]] for i in range(N)])).schema
    assert pairs.features[0].shape == (2, 2)
    assert encode(pl.DataFrame({"c": ["[[1, 2]]"]}), pairs)[0, 2:].tolist() == [1, 2]
    with pytest.raises(InvalidInput, match=r'column "c" row 1: .* 1 numbers a step, not 2'):
        encode(pl.DataFrame({"c": [[1.0]]}), pairs)
    with pytest.raises(InvalidInput, match='column "c" row 2'):
        as_sequence(pl.Series("c", ["[1]", "[1, true]"]))


def test_logged_images_and_lists_go_on_top_of_a_source_in_text():
    old = pl.DataFrame({"i": [base64.b64encode(png(1)).decode()], "s": ["[1, 2]"]})
    new = pl.DataFrame({"i": as_image(old["i"]), "s": as_sequence(old["s"])})
    both = newer_over(old, new, None)
    assert both.schema == new.schema
    assert both.row(0) == both.row(1)


def test_a_folder_of_images_is_a_table_labelled_by_folder(tmp_path):
    for i in range(12):
        kind = "dog" if i % 3 else "cat"
        (tmp_path / "pets" / kind).mkdir(parents=True, exist_ok=True)
        (tmp_path / "pets" / kind / f"{i:02}.PNG").write_bytes(png(i))
    (tmp_path / "pets" / "notes.txt").write_text("not an image")
    frame = read_table("pets", tmp_path)
    assert frame["file"][0] == "cat/00.PNG"
    assert frame["label"].to_list() == ["cat"] * 4 + ["dog"] * 8
    schema = infer_schema(frame, DataSpec("pets", "label")).schema
    assert [(f.name, f.shape) for f in schema.features] == [("image", (4, 3, 1))]
    assert schema.classes == ("cat", "dog")
    for pattern in ("pets/*/", "pets/*", "pets/*/*.PNG", "pets/**/*.PNG"):
        assert read_table(pattern, tmp_path).equals(frame), pattern
    assert read_table("p*s/*/0?.PNG", tmp_path)["file"][0] == "pets/cat/00.PNG"
    (tmp_path / "pets" / "dog" / "99.png").write_bytes(b"no image")
    with pytest.raises(InvalidInput, match=r"dog/99\.png: got '?<8 bytes>'?, expected an image"):
        read_table("pets", tmp_path)
    (tmp_path / "pets" / "dog" / "99.png").write_bytes(png(1, 40, 40)[:900])
    with pytest.raises(InvalidInput, match=r"dog/99\.png: .*its pixels cannot be read"):
        read_table("pets", tmp_path)


def shots(root, *names):
    for i, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(i))


def test_images_divided_into_train_and_test_keep_that_order(tmp_path):
    shots(tmp_path, "d/test/cat/3.png", "d/test/dog/4.png", "d/train/cat/1.png")
    shots(tmp_path, "d/train/dog/out/2.png", "d/.cache/x/9.png", "d/train/.hidden.png")
    frame = read_table("d", tmp_path)
    assert frame["file"].to_list() == [
        "train/cat/1.png", "train/dog/out/2.png", "test/cat/3.png", "test/dog/4.png",
    ]  # fmt: skip
    assert frame["label"].to_list() == ["cat", "dog", "cat", "dog"]
    assert read_table("d/train", tmp_path)["label"].to_list() == ["cat", "dog"]
    assert read_table("d/t*/", tmp_path)["label"].to_list() == ["cat", "dog", "cat", "dog"]
    shots(tmp_path, "d/test/bird/5.png")
    with pytest.raises(InvalidInput, match=r"d: test: got 'bird', .* labels in train: cat, dog"):
        read_table("d", tmp_path)


def test_a_label_may_be_called_train(tmp_path):
    shots(tmp_path, "v/train/1.png", "v/test/2.png")
    assert read_table("v", tmp_path)["label"].to_list() == ["test", "train"]


def test_images_without_a_folder_of_their_label_are_refused(tmp_path):
    shots(tmp_path, "flat/1.png", "flat/2.png")
    with pytest.raises(InvalidInput, match=r"a folder for each label, such as flat/cat/1\.png"):
        read_table("flat", tmp_path)
