"""When a fit is worth its price: on all rows as they grow, on the newest ones as they are renewed.

A full fit is for what more rows tell: each has ``GROWTH`` times the rows of the one before it, so
that all of them together cost half as much again as the last. A change is not what it is for, since
most of its rows are from before. Leaves follow a change, and the trees of a fresh fit on the newest
rows alone: those that the world is still like, of which half are new, so that a row is in two.
"""

from __future__ import annotations

from dataclasses import dataclass

GROWTH = 3.0  # times the rows of the last fit
REST = 6  # windows between two full fits at least
SHORTEST = 10  # windows of a fresh fit at least; half of them pass between two
FEWEST = 500  # rows of a fresh fit at least


@dataclass
class Growth:
    """What is known of the last fits.

    Attributes
    ----------
    rows : that the last full fit had. windows : since then. fits : how many there were.
    new_windows, new_rows : since the last fresh fit. fresh : how many there were.
    fitted_rows : of all fits together.
    """

    rows: int = 0
    windows: int = 0
    fits: int = 0
    new_windows: int = 0
    new_rows: int = 0
    fresh: int = 0
    fitted_rows: int = 0

    def fitted(self, rows: int) -> None:
        """A full fit on so many rows."""
        self.rows, self.windows, self.fits = rows, 0, self.fits + 1
        self.fitted_rows += rows

    def freshened(self, rows: int) -> None:
        """A fit on so many of the newest rows."""
        self.new_windows, self.new_rows, self.fresh = 0, 0, self.fresh + 1
        self.fitted_rows += rows

    def learned(self, rows: int) -> None:
        """A window of so many rows."""
        self.windows += 1
        self.new_windows, self.new_rows = self.new_windows + 1, self.new_rows + rows

    def due(self, rows: int) -> str | None:
        """Why the next full fit is due with ``rows`` rows; None when it is not."""
        if self.windows < REST or rows < GROWTH * max(self.rows, 1):
            return None
        return f"there are {rows / max(self.rows, 1):.1f} times the rows of the last full fit"

    def due_fresh(self, rows: int, lasting: float) -> int:
        """How many of the newest of ``rows`` rows a fresh fit is due on now, where the world lasts
        so many windows; 0 for none."""
        if self.new_windows < SHORTEST // 2:
            return 0
        window = self.new_rows / self.new_windows
        newest = int(min(max(SHORTEST, lasting) * window, rows / 2))
        return newest if newest >= FEWEST and 2 * self.new_rows >= newest else 0
