"""What a loop's monitors told, and to whom; its service health, labels and predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from everloop.loop.declaration import Declaration
from everloop.loop.feeding import Feeder
from everloop.loop.logging import bring
from everloop.loop.project import Project
from everloop.monitor.alerting.deliveries import AlertDelivery
from everloop.monitor.alerting.desk import (
    AlertDetail,
    AlertLine,
    ChannelTested,
    declared_channels,
)
from everloop.monitor.alerting.silences import Silence
from everloop.monitor.feedback import Fed
from everloop.monitor.foreign import Logged
from everloop.monitor.health import Health
from everloop.monitor.spec import RuleSpec
from everloop.monitor.windows import Window


class LoopAlerts:
    """The part of a :class:`~everloop.loop.loop.Loop` that is about alerts."""

    project: Project
    declaration: Declaration

    def alerts(self, state: str | None = None, limit: int = 20) -> list[AlertLine]:
        """What was found at the loop's endpoint, the newest first; ``open`` or ``resolved``."""
        return self.project.alerts.page(self.declaration.endpoint, state, limit=limit)

    def alert(self, id: str) -> AlertDetail:
        """One of them by its id, or the beginning of it: evidence, and who was told."""
        return self.project.alerts.get(id)

    def silence(
        self, duration: str, comment: str, *, by: str, kind: str = "*", feature: str = "*"
    ) -> Silence:
        """Tell nobody of what matches the patterns at this endpoint, for ``duration`` (``4h``)."""
        return self.project.alerts.silences.add(
            duration, actor=by, comment=comment,
            endpoint=self.declaration.endpoint, kind=kind, feature=feature,
        )  # fmt: skip

    def unsilence(self, id: str, *, by: str) -> Silence:
        """Take a silence back; what goes on is told again."""
        return self.project.alerts.silences.end(id, by)

    def release(self, start: int, *, by: str, comment: str = "") -> Window:
        """Take the window that starts at ``start`` (ms) out of quarantine: its rows are sound."""
        return self.project.watch.release(self.declaration.endpoint, start, by, comment)

    def silences(self, limit: int = 20) -> list[Silence]:
        """Those of all endpoints, the last to end first."""
        return self.project.alerts.silences.page(limit)

    def rules(self) -> list[RuleSpec]:
        """Who is told of what, as declared."""
        return list(self.declaration.monitor.alerts)

    def channels(self) -> dict[str, Any]:
        """The declared channels by name, each with its kind and rules; no secrets."""
        return declared_channels(self.declaration.monitor)

    def test_channel(self, name: str) -> ChannelTested:
        """Send a test to a channel now."""
        return self.project.alerts.test(self.declaration.endpoint, name)

    def deliveries(self, state: str | None = None, limit: int = 20) -> list[AlertDelivery]:
        """What was told of the endpoint, or is ``waiting``, or ``failed`` for good."""
        return self.project.alerts.deliveries.page(
            state, endpoint=self.declaration.endpoint, limit=limit
        )

    def health(self, limit: int = 20) -> list[Health]:
        """Windows of the endpoint as a service, the newest first."""
        return self.project.health.page(self.declaration.endpoint, limit=limit)

    def feedback(
        self,
        source: str | Path | pl.DataFrame,
        *,
        id: str | None = None,
        label: str | None = None,
        time: str | None = None,
    ) -> Fed:
        """Labels of a frame, or of what :func:`everloop.feedback` takes without a query."""
        feeder = Feeder(self.project, self.declaration.endpoint, id=id, label=label, time=time)
        if isinstance(source, pl.DataFrame):
            self.project.log.ship()
            return feeder.frame(source)
        return feeder.table(str(Path.cwd() / source))

    def log_predictions(self, source: str | Path | pl.DataFrame, **columns: Any) -> Logged:
        """Predictions that something else made; see :func:`everloop.log_predictions`."""
        return bring(self.project, source, endpoint=self.declaration.endpoint, **columns)
