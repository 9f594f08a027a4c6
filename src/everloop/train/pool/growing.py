"""When a full fit is worth its price: as rows grow, and the less the less the last one brought.

What a fit brings can be seen without another: the forest before it goes on learning beside it, so
their losses on the same windows are compared. A fit that brought less than ``LEAST`` of the loss
makes the next one wait for ``PATIENCE`` times the growth, and one that did so again for that much
more.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from everloop.train.pool.links import Link

GROWTH = 1.35  # times the rows of the last fit
PATIENCE = 2.5
LEAST = 0.0005  # share of the loss
REST = 6  # windows between two fits at least


@dataclass
class Growth:
    """What is known of the last full fit.

    Attributes
    ----------
    rows : that it had. windows : since then. idle : how many fits in a row brought too little.
    gains, losses : of each window since, what the fit brought against the one before, and its loss.
    fits : how many there were.
    """

    rows: int = 0
    windows: int = 0
    idle: int = 0
    fits: int = 0
    gains: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def fitted(self, rows: int) -> None:
        """A full fit on so many rows."""
        self.idle = self._idle_now()
        self.rows, self.windows, self.fits = rows, 0, self.fits + 1
        self.gains, self.losses = [], []

    def learned(self, scores: np.ndarray, y: np.ndarray, link: Link) -> None:
        """A window: members by n by outputs, the last fit's first, and n targets."""
        self.windows += 1
        half = len(scores) // 2
        if self.fits < 2:
            return
        told = [float(link.losses(one, y).mean()) for one in scores]
        self.losses.append(min(told[:half]))
        self.gains.append(min(told[half:]) - min(told[:half]))

    def due(self, rows: int) -> str | None:
        """Why the next fit is due with ``rows`` rows; None when it is not."""
        wanted = GROWTH * PATIENCE ** self._idle_now()
        if self.windows < REST or rows < wanted * max(self.rows, 1):
            return None
        return f"there are {rows / max(self.rows, 1):.1f} times the rows of the last full fit"

    def _idle_now(self) -> int:
        if not self.gains:
            return self.idle
        small = np.mean(self.gains) < LEAST * np.mean(self.losses)
        return self.idle + 1 if small else 0
