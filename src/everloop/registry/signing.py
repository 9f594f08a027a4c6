"""The Ed25519 key of a project: it signs model packages and the head of the event log.

A folder of keys holds ``signing.key`` (private, mode 0600), ``signing.pub`` and, in ``trusted/``,
the public keys of others, or of this project before its key was changed; all of them PEM. A
machine that only checks signatures has no ``signing.key``.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from everloop.errors import Forbidden, Integrity, NotFound


class Keys:
    """A signing key, if there is one, and the public keys whose signatures count."""

    def __init__(
        self, private: Ed25519PrivateKey | None, trusted: Iterable[Ed25519PublicKey] = ()
    ) -> None:
        own = [private.public_key()] if private else []
        self._private = private
        self._trusted = [*own, *trusted]

    @classmethod
    def load_or_create(cls, folder: Path) -> Keys:
        """The keys in ``folder``; makes a new signing key when there is none."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key, public = folder / "signing.key", folder / "signing.pub"
        if not key.exists():
            _write_new(key, _pem(Ed25519PrivateKey.generate()))
        if not public.exists():
            _write_new(public, _pem(_read_private(key).public_key()))
        return cls.load(folder)

    @classmethod
    def load(cls, folder: Path) -> Keys:
        """The keys in ``folder``.

        Raises :class:`~everloop.errors.NotFound` when it holds none, and
        :class:`~everloop.errors.Integrity` for a file that is no Ed25519 key, or a
        ``signing.pub`` that does not belong to ``signing.key``.
        """
        key, public = folder / "signing.key", folder / "signing.pub"
        private = _read_private(key) if key.exists() else None
        own = _read_public(public) if public.exists() else None
        if private and own and _pem(private.public_key()) != _pem(own):
            raise _no_key(public, "the public key of signing.key")
        trusted = [_read_public(path) for path in sorted((folder / "trusted").glob("*.pub"))]
        if own and not private:
            trusted.insert(0, own)
        if not private and not trusted:
            raise NotFound(
                f"{folder}: there is no signing.key and no trusted public key.",
                code="keys_not_found",
                path=str(folder),
                fix="Run `everloop init`, or copy the project's signing.pub here.",
            )
        return cls(private, trusted)

    @classmethod
    def named(cls, public: Path) -> Keys:
        """One public key alone. Raises :class:`~everloop.errors.Integrity` when it is none."""
        return cls(None, [_read_public(public)])

    @property
    def public(self) -> str:
        """The public key that goes with the signing key, else the first trusted one; 64 digits."""
        return self._trusted[0].public_bytes_raw().hex()

    @property
    def can_sign(self) -> bool:
        """Whether there is a signing key."""
        return self._private is not None

    def sign(self, data: bytes) -> str:
        """The signature of ``data``: 128 hexadecimal digits, always the same for a key.

        Raises :class:`~everloop.errors.Forbidden` when there are only public keys.
        """
        if self._private is None:
            raise _no_signing_key()
        return self._private.sign(data).hex()

    def derive(self, purpose: bytes) -> bytes:
        """32 secret bytes for one purpose, always the same for a signing key.

        Raises :class:`~everloop.errors.Forbidden` when there are only public keys.
        """
        if self._private is None:
            raise _no_signing_key()
        seed = self._private.private_bytes_raw()
        return HKDF(hashes.SHA256(), length=32, salt=None, info=purpose).derive(seed)

    def verify(self, data: bytes, signature: str) -> bool:
        """Whether ``signature`` is that of ``data`` by a trusted key; False for any nonsense."""
        return self.signer(data, signature) is not None

    def signer(self, data: bytes, signature: str) -> str | None:
        """The trusted public key (64 digits) whose signature it is; None when it is of none."""
        try:
            raw = bytes.fromhex(signature)
        except ValueError:
            return None
        found = next((key for key in self._trusted if _verifies(key, raw, data)), None)
        return None if found is None else found.public_bytes_raw().hex()

    def __repr__(self) -> str:
        return f"Keys(public={self.public!r}, can_sign={self.can_sign})"


def _no_signing_key() -> Forbidden:
    return Forbidden("There is no signing key here, only public keys.", code="no_signing_key")


def _verifies(key: Ed25519PublicKey, signature: bytes, data: bytes) -> bool:
    try:
        key.verify(signature, data)
    except InvalidSignature:
        return False
    return True


def _pem(key: Ed25519PrivateKey | Ed25519PublicKey) -> bytes:
    if isinstance(key, Ed25519PublicKey):
        return key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write_new(path: Path, data: bytes) -> None:
    """Write a whole file, readable by its owner only, unless another process just did."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)  # unlike a rename, fails when there is one
    except FileExistsError:
        pass
    finally:
        Path(name).unlink()


def _read_private(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "an Ed25519 private key in PEM")
    return key


def _read_public(path: Path) -> Ed25519PublicKey:
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path, "an Ed25519 public key in PEM")
    return key


def _no_key(path: Path, expected: str) -> Integrity:
    return Integrity(
        f"{path}: expected {expected}.", code="bad_key", path=str(path), expected=expected
    )
