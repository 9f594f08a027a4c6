"""Whom a data plane tells where it stands: its folder, its group, or who it follows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from everloop.deploy.serving.app import App
from everloop.deploy.serving.counts import Counts
from everloop.deploy.serving.fleet import Fleet
from everloop.deploy.serving.following import Follower
from everloop.deploy.serving.journal import Journal
from everloop.deploy.serving.standing import Standing, remove_standing, write_standing
from everloop.version import __version__ as VERSION

if TYPE_CHECKING:
    from everloop.deploy.serving.group import Group


class Telling:
    """Tells again whenever something is applied or lost, from :meth:`begin` to :meth:`end`.

    One of several workers tells its group alone: their parent tells for all of them. A process
    with a desired state of its own, which nobody else knows, tells nobody.
    """

    def __init__(
        self, url: str, fleet: Fleet, counts: Counts, app: App, follower: Follower | None
    ) -> None:
        self._url = url
        self._fleet = fleet
        self._counts = counts
        self._app = app
        self._follower = follower
        self._folder: Path | None = None

    def begin(self, folder: Path | None, group: Group | None, journal: Journal) -> None:
        """Tell now and from here on; ``folder`` is None for a desired state of one's own."""
        if group is not None:

            def tell_group() -> None:
                group.tell(Standing(os.getpid(), self._url, self._fleet.revision, self._errors()))

            self._fleet.on_applied = tell_group
            tell_group()
            return
        self._folder = folder
        if folder is None:
            return
        if self._follower is not None:
            self._follower.start(self._report)
        self._fleet.on_applied = journal.on_loss = self._tell
        self._tell()

    def end(self) -> None:
        """Take back what the folder says."""
        if self._folder is not None:
            remove_standing(self._folder)

    def _tell(self) -> None:
        assert self._folder is not None
        write_standing(self._folder, self._standing())

    def _report(self) -> Standing:
        """What the control plane elsewhere is told."""
        traffic = self._app.traffic()
        return replace(self._standing(), version=VERSION, ready=self._fleet.ready, traffic=traffic)

    def _standing(self) -> Standing:
        lost = self._counts.losses_by_endpoint()
        return Standing(os.getpid(), self._url, self._fleet.revision, self._errors(), lost)

    def _errors(self) -> dict[str, str]:
        follower = self._follower
        mine = {"": follower.error} if follower is not None and follower.error else {}
        return self._fleet.errors | mine
