"""Messages out of an archive made here, and the spam example's loop file on them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

import everloop as el
from everloop.datasets import letters
from everloop.errors import Unavailable
from everloop.loop.checking import check
from everloop.loop.declaration import load_file
from everloop.loop.engine import Engine

EXAMPLE = Path(__file__).parents[2] / "examples" / "spam"


def archive(folder: Path, rows: int) -> Path:
    """A ``.tgz`` of the corpus's layout with ``rows`` letters, every third spam."""
    rng = np.random.default_rng(0)
    path = folder / letters.ARCHIVE.filename
    with tarfile.open(path, "w:gz") as tar:
        for i in range(rows):
            group = "spam-1" if i % 3 == 0 else "easy-ham-1"
            usual = ["list", "patch", "kernel", "meeting", "release", "thanks", "version"]
            offer = ["free", "offer", "money", "click", "winner"]
            words = " ".join(rng.choice(usual + offer if group == "spam-1" else usual, 20))
            text = f"From: a@b\nSubject: Re: {words[:20]}\n\n<p>{words} &amp; {i}</p>\n"
            data = json.dumps({"id": f"{i:05}", "group": group, "text": text}).encode()
            member = tarfile.TarInfo(f"package/data/{group}/{i:05}.json")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_a_message_is_read_as_a_person_reads_it() -> None:
    text = "Subject: =?utf-8?q?Caf=C3=A9?=\nContent-Type: text/html\n\n<b>Hi</b>&nbsp;you\n\n!"
    assert letters.read_message(text) == ("Café", "Hi you !")
    broken = "Subject: now\nContent-Type: text/plain; charset=none-such\n\nbody <br> here"
    assert letters.read_message(broken) == ("now", "body here")


def test_the_spam_example_on_a_small_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archives = tmp_path / "cache" / "archives"
    archives.mkdir(parents=True)
    digest = hashlib.sha256(archive(archives, 240).read_bytes()).hexdigest()
    known = letters.ARCHIVE
    small = type(known)(known.project, known.version, known.filename, digest, 0.1)
    monkeypatch.setattr(letters, "ARCHIVE", small)
    frame = letters.mail(cache=tmp_path / "cache")
    assert frame.columns == ["message", "subject", "body", "kind"]
    assert frame["kind"].value_counts().sort("kind")["count"].to_list() == [160, 80]
    assert frame["body"].str.contains("<p>|&amp;").sum() == 0
    frame.write_parquet(tmp_path / "mail.parquet")
    loop_file = (EXAMPLE / "everloop.toml").read_text()
    small_file = loop_file.replace(', "p99_latency_ms <= 20"', "").replace(', "lightgbm"', "")
    (tmp_path / "everloop.toml").write_text(small_file)
    assert [kind for _, kind, _ in check(tmp_path).features] == ["text", "text"]
    loop = el.declare(tmp_path, load_file(tmp_path / "everloop.toml").declaration)
    with loop.project as project:
        engine = Engine(project, "inline")
        engine.launch()
        ended = engine.wait(loop.run(wait=False).id)
        engine.close()
    assert ended.verdict is not None
    assert ended.evidence["metrics"]["roc_auc"]["value"] > 0.9


def test_without_npm_it_says_where_to_put_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"there is no npm here\. Put the file into"):
        letters.mail(cache=tmp_path)
