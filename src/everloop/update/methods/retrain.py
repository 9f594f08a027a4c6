"""A new fit on the rows of the snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everloop.extensions import update_methods
from everloop.update.methods._base import Around, Champion, Made, Method

if TYPE_CHECKING:
    from everloop.update.methods.rows import TrainingRows


@update_methods.register("retrain")
class Retrain(Method):
    """Sound for every algorithm: whatever can be fitted once can be fitted again."""

    needs_champion = False

    def make(self, rows: TrainingRows, champion: Champion | None, around: Around) -> Made:
        """Fit the candidates of ``around.spec``, or one with the parameters that are kept."""
        fitted = rows.fit(
            around.spec,
            around.report,
            keep=around.keep,
            study=around.study,
            checkpoints=around.checkpoints,
        )
        return Made(fitted, on_all=True)
