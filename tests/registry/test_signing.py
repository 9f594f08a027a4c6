from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from everloop.errors import Forbidden, Integrity, NotFound
from everloop.registry.signing import Keys


def test_signs_and_verifies(tmp_path: Path) -> None:
    keys = Keys.load_or_create(tmp_path / "keys")
    signature = keys.sign(b"data")
    assert len(signature) == 128
    assert len(keys.public) == 64
    assert keys.verify(b"data", signature)
    assert not keys.verify(b"Data", signature)
    for nonsense in ("", "00", "zz" * 64, signature[:-2], signature[:-1] + "é", "0" * 128):
        assert not keys.verify(b"data", nonsense)
    again = Keys.load(tmp_path / "keys")
    assert again.public == keys.public
    assert again.verify(b"data", signature)
    assert not Keys.load_or_create(tmp_path / "other").verify(b"data", signature)


def test_key_file_is_for_its_owner_only(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        Keys.load_or_create(tmp_path / "keys")
    finally:
        os.umask(old)
    assert (tmp_path / "keys" / "signing.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == [
        "signing.key",
        "signing.pub",
    ]


def test_public_keys_suffice_to_verify(tmp_path: Path) -> None:
    keys = Keys.load_or_create(tmp_path / "keys")
    (tmp_path / "public").mkdir()
    shutil.copy(tmp_path / "keys" / "signing.pub", tmp_path / "public")
    public = Keys.load(tmp_path / "public")
    assert public.public == keys.public
    assert public.verify(b"data", keys.sign(b"data"))
    assert not public.can_sign
    with pytest.raises(Forbidden):
        public.sign(b"data")


def test_trusted_keys_count_too(tmp_path: Path) -> None:
    old = Keys.load_or_create(tmp_path / "old")
    new = Keys.load_or_create(tmp_path / "new")
    assert not new.verify(b"data", old.sign(b"data"))
    (tmp_path / "new" / "trusted").mkdir()
    shutil.copy(tmp_path / "old" / "signing.pub", tmp_path / "new" / "trusted" / "old.pub")
    both = Keys.load(tmp_path / "new")
    assert both.public == new.public
    assert both.verify(b"data", old.sign(b"data"))
    assert both.verify(b"data", both.sign(b"data"))


def test_one_key_however_many_create_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: Keys.load_or_create(tmp_path / "keys"), range(8)))
    assert len({keys.public for keys in made}) == 1
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == [
        "signing.key",
        "signing.pub",
    ]


def test_a_lost_public_file_is_written_again(tmp_path: Path) -> None:
    keys = Keys.load_or_create(tmp_path)
    (tmp_path / "signing.pub").unlink()
    assert Keys.load_or_create(tmp_path).public == keys.public
    assert (tmp_path / "signing.pub").exists()


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no signing\.key"):
        Keys.load(tmp_path / "nothing")
    Keys.load_or_create(tmp_path / "a")
    Keys.load_or_create(tmp_path / "b")
    shutil.copy(tmp_path / "a" / "signing.pub", tmp_path / "b" / "signing.pub")
    with pytest.raises(Integrity, match=r"signing\.pub: expected the public key of signing\.key"):
        Keys.load(tmp_path / "b")
    (tmp_path / "a" / "signing.key").write_bytes(b"")
    with pytest.raises(Integrity, match=r"signing\.key: expected an Ed25519 private key"):
        Keys.load(tmp_path / "a")


def test_keys_of_another_kind_are_refused(tmp_path: Path) -> None:
    pem = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "signing.key").write_bytes(pem)
    with pytest.raises(Integrity, match="expected an Ed25519 private key"):
        Keys.load(tmp_path)


def test_a_key_is_not_shown(tmp_path: Path) -> None:
    keys = Keys.load_or_create(tmp_path)
    assert repr(keys) == f"Keys(public={keys.public!r}, can_sign=True)"


def test_importing_it_brings_no_database_along() -> None:
    code = (
        "import sys, everloop.registry.signing;"
        "print([m for m in ('sqlalchemy', 'everloop.store', 'polars') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
