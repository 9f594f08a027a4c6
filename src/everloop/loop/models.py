"""What a loop's versions answer, and why: the part of a loop that changes nothing."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from everloop.errors import NotFound
from everloop.loop.declaration import Declaration
from everloop.loop.project import Project
from everloop.loop.reports import report_file
from everloop.registry.models import ModelVersion

if TYPE_CHECKING:
    from everloop.deploy.attribution import Explanation
    from everloop.evaluate.explain.counterfactual import Counterfactual
    from everloop.evaluate.explain.dependence import Dependence
    from everloop.evaluate.explain.importance import Importance
    from everloop.evaluate.fairness.mitigation import Mitigated


class LoopModels:
    """The part of a :class:`~everloop.loop.loop.Loop` that asks its models; the champion, unless a
    ``version`` is given.

    Models' runtimes and libraries of explanations are loaded when they are asked for: the control
    plane does without them.
    """

    project: Project
    declaration: Declaration

    def version(self, number: int | None = None) -> ModelVersion:
        """A registered version: the one asked for, else the champion."""
        if number is not None:
            return self.project.registry.version(self.declaration.name, number)
        champion = self.project.champion(self.declaration.name)
        if champion is None:
            raise NotFound(
                f"model {self.declaration.name}: has no champion yet.",
                path="version",
                fix="everloop run trains one; everloop history says what became of those before.",
            )
        return champion

    def predict(
        self, rows: pl.DataFrame | list[dict[str, Any]], version: int | None = None
    ) -> pl.DataFrame:
        """Predict ``rows`` in this process, with the champion or with ``version``.

        Returns ``y_pred``, for classes its ``probability``, and the id column where the model has
        one. Raises :class:`~everloop.errors.InvalidInput` when the columns do not fit the schema.
        """
        frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows)
        # The model's runtime is for those who predict; the control plane does without it.
        batch = importlib.import_module("everloop.loop.batches.frames")
        answers: pl.DataFrame = batch.predict_frame(self.project, frame, self.version(version))
        return answers

    def explain(
        self, rows: pl.DataFrame | list[dict[str, Any]], version: int | None = None
    ) -> list[Explanation]:
        """What each feature adds to the answer of each of ``rows`` (at most 200), in this process.

        Sampled Shapley values against rows of the training data; exact for a model that adds up.
        """
        frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows)
        explaining = importlib.import_module("everloop.loop.explaining")
        found: list[Explanation] = explaining.explain_frame(
            self.project, frame, self.version(version)
        )
        return found

    def dependence(self, feature: str, version: int | None = None) -> Dependence:
        """The mean answer when ``feature`` alone is set to each of its values, with single rows."""
        explaining = importlib.import_module("everloop.loop.explaining")
        found: Dependence = explaining.dependence_of(self.project, feature, self.version(version))
        return found

    def importance(self, version: int | None = None) -> list[Importance]:
        """How much worse the held-out rows are answered when one feature is shuffled."""
        explaining = importlib.import_module("everloop.loop.explaining")
        found: list[Importance] = explaining.importance_of(
            self.project, self.version(version), self.declaration
        )
        return found

    def counterfactual(
        self,
        row: pl.DataFrame | dict[str, Any],
        to: Any = None,
        fixed: Sequence[str] = (),
        version: int | None = None,
    ) -> Counterfactual:
        """The least change of ``row`` after which it is answered with ``to``.

        ``to`` is a class (of two, the other one unless given) or a number to reach; ``fixed`` are
        features that must stay.
        """
        frame = row if isinstance(row, pl.DataFrame) else pl.DataFrame([row])
        explaining = importlib.import_module("everloop.loop.explaining")
        found: Counterfactual = explaining.counterfactual_of(
            self.project, frame, self.version(version), to, fixed
        )
        return found

    def mitigate(self, columns: Sequence[str], version: int | None = None) -> Mitigated:
        """How the groups of ``columns`` are treated, and what evening that out would cost.

        Of a target that is not binary the groups' metrics alone. Nothing is changed: the candidates
        are measured, not applied.
        """
        mitigating = importlib.import_module("everloop.loop.mitigating")
        seed = self.declaration.loop.seed
        found: Mitigated = mitigating.mitigate(self.project, self.version(version), columns, seed)
        return found

    def report(
        self, version: int | None = None, kind: Literal["html", "json", "card"] = "json"
    ) -> bytes:
        """A version's report: the page, its JSON twin, or the model card in Markdown.

        Raises :class:`~everloop.errors.NotFound` for a version that was made without one.
        """
        return report_file(self.project, self.version(version), kind)
