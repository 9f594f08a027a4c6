"""The examples of pictures and of sequences as their loop files say, on less data."""

from __future__ import annotations

import gzip
import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

import everloop as el
from cycling import carry_out
from everloop.errors import Integrity, NotFound

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(folder: Path):
    loop = el.load(folder / "everloop.toml")
    with loop.project as project:
        cycle = carry_out(project, loop.run(wait=False))
        step = project.cycles.step(cycle.id, "evaluate")
        assert step is not None and step.result is not None, cycle.reason
        return cycle, {gate["gate"]: gate for gate in step.result["gates"]}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """The four files, with handwritten digits of 8 by 8 pixels in the place of clothes."""
    folder = tmp_path_factory.mktemp("idx")
    data = load_digits()
    pixels = (data.images * 15.9375).astype(np.uint8)
    for prefix, rows in (("train", slice(0, 1500)), ("t10k", slice(1500, None))):
        images, labels = pixels[rows], data.target[rows].astype(np.uint8)
        sizes = np.array(images.shape, dtype=">u4").tobytes()
        head, count = bytes([0, 0, 8, 3]) + sizes, sizes[:4]
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(
            gzip.compress(head + images.tobytes())
        )
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(
            gzip.compress(bytes([0, 0, 8, 1]) + count + labels.tobytes())
        )
    return folder


def test_pictures_go_round_the_loop(tmp_path, files):
    shutil.copy(EXAMPLES / "fashion_mnist" / "everloop.toml", tmp_path)
    clothes = el.datasets.fashion_mnist(folder=files)
    assert clothes["part"].value_counts(sort=True).rows() == [("train", 1500), ("test", 297)]
    clothes.drop("part").write_parquet(tmp_path / "clothes.parquet")
    cycle, gates = run(tmp_path)
    assert cycle.verdict == "promoted", cycle.reason
    assert gates["accuracy >= 0.9"]["value"] > 0.9


def test_digits_are_read_row_by_row(tmp_path):
    shutil.copy(EXAMPLES / "rnn" / "everloop.toml", tmp_path)
    found = importlib.util.spec_from_file_location("rnn_data", EXAMPLES / "rnn" / "data.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    module.digits().head(700).write_parquet(tmp_path / "digits.parquet")
    text = (tmp_path / "everloop.toml").read_text()
    small = "[train.space.gru]\nwidth = 32\nepochs = 12\nlearning_rate = 0.004\n\n[evaluate]"
    text = text.replace("[evaluate]", small).replace(">= 0.9", ">= 0.8")
    (tmp_path / "everloop.toml").write_text(text)
    cycle, _ = run(tmp_path)
    assert cycle.verdict == "promoted", cycle.reason


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda data: data[: len(data) // 2], "is no gzip file"),
        (lambda data: gzip.compress(gzip.decompress(data)[:-5]), "is cut off"),
        (lambda data: gzip.compress(b"not pictures at all"), "is no IDX file of 3 dimensions"),
    ],
)
def test_a_damaged_file_of_pictures_is_refused(tmp_path, files, damage, sentence):
    shutil.copytree(files, tmp_path / "idx")
    path = tmp_path / "idx" / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(Integrity, match=sentence):
        el.datasets.fashion_mnist(folder=tmp_path / "idx")


def test_pictures_that_are_not_there_are_asked_for(tmp_path):
    with pytest.raises(NotFound, match="Install Debian's package dataset-fashion-mnist"):
        el.datasets.fashion_mnist(folder=tmp_path)
