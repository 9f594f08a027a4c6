"""The secrets of webhooks, encrypted in the database.

The key is derived from the project's signing key, so a copy of the database alone tells nothing.
Servers that share a database must share the keys' folder, which they do for signing anyway.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken

from everloop.errors import Integrity
from everloop.registry.signing import Keys

PURPOSE = b"everloop webhooks 1"


class Vault:
    """Encrypts and decrypts with a key of the project's own."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def seal(self, secret: str) -> str:
        """The secret as it is kept; raises Forbidden where there are only public keys."""
        return self._cipher().encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """The secret; raises :class:`~everloop.errors.Integrity` when another key sealed it."""
        try:
            return self._cipher().decrypt(sealed.encode()).decode()
        except (InvalidToken, ValueError):
            raise Integrity(
                "The webhook's secret was encrypted with another signing key.",
                code="secret_sealed",
                fix="Give the webhook its secret again.",
            ) from None

    def __repr__(self) -> str:
        return "Vault()"

    def _cipher(self) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(self._keys.derive(PURPOSE)))
