"""Where an import or export may go that was asked for over HTTP.

Whoever asks is not at the machine that does it: without a fence, its files and its network would
be theirs. A host must be public and speak HTTPS, or be named in the setting ``move_places``; each
connection goes to an address that was checked. A file must lie below a folder named there, and so
must every artifact that an MLflow says is a file; object stores are not reached at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import httpx

from everloop.errors import EverloopError, Forbidden, InvalidInput
from everloop.registry.webhooks.guard import allowed_hosts, check_url, lookup

_PUBLIC = "it is no public host that speaks HTTPS, as the network here knows it"
_FIX = "Name it in settings.move_places, or use the command line on the machine itself."


@dataclass(frozen=True)
class Fence:
    """``hosts`` may be reached though private, ``folders`` are whole paths without links."""

    hosts: frozenset[str]
    folders: tuple[Path, ...]

    @classmethod
    def of(cls, setting: str) -> Fence:
        """What the setting ``move_places`` names: hosts, and folders that begin with ``/``."""
        places = [place.strip() for place in setting.split(",") if place.strip()]
        folders = tuple(Path(place).resolve() for place in places if place.startswith("/"))
        names = ",".join(place for place in places if not place.startswith("/"))
        return cls(allowed_hosts(names), folders)

    def check(self, field: str, address: str) -> None:
        """Raises :class:`~everloop.errors.Forbidden` for an address outside of the fence.

        :class:`~everloop.errors.InvalidInput` for what is none. No name is looked up.
        """
        if address.startswith(("http://", "https://")):
            try:
                check_url(address, self.hosts)
            except InvalidInput:
                raise _outside(field, address, _PUBLIC) from None
            return
        path = address.removeprefix("sqlite:///").removeprefix("file://")
        if "://" in path or "?" in path or not path.startswith("/"):
            reason = "over HTTP it must be http(s)://host or a whole path of a file or folder"
            raise _outside(field, address, reason)
        if not self.holds(Path(path)):
            raise _outside(field, address, "it lies in no folder that is allowed")

    def holds(self, path: Path) -> bool:
        """Whether a file or folder lies below one that is allowed, when all links are followed."""
        real = path.resolve()
        return any(real == folder or folder in real.parents for folder in self.folders)

    def transport(self) -> httpx.BaseTransport:
        """What carries requests to checked addresses only."""
        return _Pinned(self.hosts)


class _Pinned(httpx.BaseTransport):
    """Looks each host up once, and goes to the address that was checked then."""

    def __init__(self, hosts: frozenset[str]) -> None:
        self._hosts = hosts
        self._inner = httpx.HTTPTransport(trust_env=False)
        self._known: dict[tuple[str, int], str] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        where = (url.host, port)
        if where not in self._known:
            try:
                self._known[where] = lookup(*where, self._hosts)[0]
            except Forbidden:
                raise _outside("address", str(url.copy_with(query=None)), _PUBLIC) from None
        request.headers.setdefault("host", url.netloc.decode("ascii"))
        request.extensions.setdefault("sni_hostname", url.host)
        request.url = url.copy_with(host=self._known[where])
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def _outside(field: str, address: str, reason: str) -> EverloopError:
    shown = address.rpartition("@")[2][:200]
    return Forbidden(
        f"{field}: {shown!r} may not be reached from here: {reason.rstrip('.')}. {_FIX}",
        code="outside_the_fence",
        path=field,
        got=shown,
        expected="a public https host, or a place in settings.move_places",
        fix=_FIX,
    )
