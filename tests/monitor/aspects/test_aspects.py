"""What texts, images and vectors are looked at for, and the words for their change."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageFilter

import everloop as el
from everloop.data.schema import Feature, Schema
from everloop.monitor.aspects.images import looks
from everloop.monitor.aspects.languages import LANGUAGES, language
from everloop.monitor.aspects.naming import column_of, in_words
from everloop.monitor.comparing import Change, Comparison
from everloop.monitor.controls.lord import Lord
from everloop.monitor.cuts import profile_against
from everloop.monitor.findings import compare_features, judge
from everloop.monitor.profile import Profile, profile, read_profile
from everloop.monitor.spec import MonitorSpec

ENGLISH = "the parcel is late and i have not got it please tell me when it comes"
GERMAN = "das paket ist nicht da und ich habe es noch nicht bekommen bitte helfen sie mir"
N = 160


def texts(words: str, length: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(words.split(), rng.integers(length, 2 * length))) for _ in range(N)]


def images(seed: int, dark: int = 0, blur: float = 0) -> list[bytes]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(N):
        image = Image.fromarray(rng.normal(140 - dark, 30, (16, 20, 3)).clip(0, 255).astype("u1"))
        out = io.BytesIO()
        (image.filter(ImageFilter.GaussianBlur(blur)) if blur else image).save(out, "PNG")
        found.append(out.getvalue())
    return found


def vectors(seed: int, shift: float = 0, wide: float = 1) -> list[list[float]]:
    rows = np.random.default_rng(seed).standard_normal((N, 64))
    rows[:, 0] += shift
    rows[:, 1:9] *= wide
    return rows.tolist()


def table(seed: int, **changed: list[object]) -> pl.DataFrame:
    known = {"said": texts(ENGLISH, 8, seed), "photo": images(seed), "e": vectors(seed)}
    return pl.DataFrame(known | changed)


def told(seen: Comparison, name: str) -> Change:
    return next(change for change in seen.columns if change.name == name)


@pytest.fixture(scope="module")
def before() -> pl.DataFrame:
    return table(0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The parcel is not here yet.", "en"),
        ("Das Paket ist noch nicht da", "de"),
        ("Je ne suis pas très content de ce colis", "fr"),
        ("El paquete no está y lo necesito para mañana", "es"),
        ("Il pacco non è arrivato, ma anche questo è un problema", "it"),
        ("Een pakket is niet aangekomen en ik wacht", "nl"),
        ("Где моя посылка?", "ru"),
        ("Де моя посилка, її немає?", "uk"),
        ("荷物はどこですか", "ja"),
        ("我的包裹在哪里", "zh"),
        ("on", None),
        ("12345", None),
        ("", None),
    ],
)
def test_a_language_is_told_by_script_and_small_words(text: str, expected: str | None) -> None:
    assert language(text) == expected
    assert expected is None or expected in LANGUAGES


def test_nothing_changed(before: pl.DataFrame) -> None:
    for sides in ((before, table(1)), (el.profile(before), el.profile(table(1)))):
        seen = el.compare(*sides)
        assert seen.drifted == []
        assert not any(":" in change.summary for change in seen.columns)


def test_changes_are_told_in_words_with_and_without_the_rows(
    before: pl.DataFrame, tmp_path: Path
) -> None:
    longer = {"said": texts(ENGLISH, 16, 1), "photo": images(1, dark=50), "e": vectors(1, 2)}
    foreign = {
        "said": texts(GERMAN, 8, 1),
        "photo": images(1, blur=2),
        "e": vectors(1, wide=4),
    }
    el.profile(before).save(tmp_path / "before.json")
    for reference in (before, tmp_path / "before.json"):
        seen = el.compare(reference, table(1, **longer))
        assert told(seen, "said").summary.startswith("texts got longer")
        assert "said (language)" not in seen.drifted
        assert told(seen, "photo").summary.startswith("images got darker")
        assert told(seen, "photo (look)").summary.startswith("images show other things")
        assert told(seen, "e (vector)").summary.startswith("vectors lie elsewhere")
        seen = el.compare(reference, table(1, **foreign))
        assert told(seen, "said (language)").summary.startswith("texts came in other languages")
        assert "said (words)" in seen.drifted
        assert told(seen, "photo (sharpness)").summary.startswith("images got blurred")
        assert told(seen, "e (spread)").summary.startswith("values spread farther")
        assert "e (vector)" in seen.drifted


def test_what_is_no_image_is_missing_and_a_large_one_is_seen_whole() -> None:
    out = io.BytesIO()
    Image.new("L", (900, 600), 80).save(out, "JPEG")
    seen = looks(pl.Series([out.getvalue(), b"no image", None]))
    assert seen.brightness[0] == pytest.approx(80, abs=1)
    assert (seen.size[0], seen.sharpness[0] < 1) == (540_000, True)
    assert np.isnan(seen.brightness[1:]).all()
    assert seen.look.shape == (3, 48)


def test_names_and_words() -> None:
    assert column_of("a (b) (language)") == ("a (b)", "language")
    assert column_of("price (EUR)") == ("price (EUR)", "")
    assert in_words("length", 10.0, 5.0) == "texts got shorter"
    assert in_words("look", None, None) == "images show other things"
    assert in_words("", 1.0, 2.0) == ""


SCHEMA = Schema(
    (
        Feature("said", "text", tuple(dict.fromkeys(ENGLISH.split())), shape=(40,)),
        Feature("photo", "image", shape=(8, 8, 3)),
        Feature("e", "sequence", shape=(64, 1)),
    ),
    "y",
    "regression",
)


def drifted(reference: Profile, now: pl.DataFrame) -> dict[str, str]:
    window = profile_against(now, SCHEMA, reference)
    compared = compare_features(reference, window, MonitorSpec())
    found, _ = judge(compared, Lord(MonitorSpec()), {}, 0.1)
    return {name: drift.summary for name, drift in found.items() if drift.drifted}


def test_a_window_sees_the_aspects_of_the_champions_features(before: pl.DataFrame) -> None:
    reference = read_profile(profile(before, SCHEMA).to_json())
    assert drifted(reference, table(1)) == {}
    seen = drifted(reference, table(1, said=texts(GERMAN, 16, 1), photo=images(1, blur=2)))
    assert seen["said (length)"].startswith("texts got longer")
    assert seen["said (unknown words)"].startswith("more words are unknown")
    assert seen["said (language)"].startswith("texts came in other languages")
    assert seen["photo (sharpness)"].startswith("images got blurred")
    assert "e (vector)" in drifted(reference, table(1, e=vectors(1, 2)))


def test_a_profile_without_aspects_is_read_as_before(before: pl.DataFrame) -> None:
    old = profile(before, SCHEMA)
    bare = read_profile(Profile(old.rows, old.features).to_json())
    assert bare.aspects == {}
    assert set(compare_features(bare, old, MonitorSpec())) == {"said", "photo", "e"}


def test_what_texts_are_about_is_told_by_a_sample() -> None:
    rng = np.random.default_rng(0)
    about = {
        "parcels": ["my parcel is late", "where is the delivery i paid for", "the courier lost it"],
        "bicycles": ["the brakes of this bike squeak", "i ride my bicycle to work", "a flat tyre"],
    }

    def said(topic: str) -> pl.DataFrame:
        ends = rng.integers(0, 10_000, 24)
        return pl.DataFrame({"said": [f"{rng.choice(about[topic])}, order {n}" for n in ends]})

    seen = el.compare(said("parcels"), said("bicycles"), embed=el.embed_texts)
    assert told(seen, "said (meaning)").summary.startswith("texts are about other things")
