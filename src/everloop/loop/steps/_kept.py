"""What a version keeps of its training, so that the next one can go on from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from everloop.loop.steps._base import StepContext
from everloop.train.state.keeping import carried, kept
from everloop.update.methods import Champion, Made
from everloop.update.methods.rows import TrainingRows


def with_state(made: Made, data: TrainingRows, base: Champion | None) -> tuple[Made, str]:
    """With what the version keeps to go on learning, or why it keeps nothing.

    ``base`` is the version whose model this one is, but for what stands behind it.
    """
    if made.state or made.onnx is not None:
        return made, ""
    best = made.fitted[0]
    if base is not None:
        return replace(made, state=carried(base.folder, best.estimator)), ""
    params = best.params
    state, why = kept(best.estimator, best.name, params, data.schema, data.X, data.y)
    return replace(made, state=state), why


def stored(context: StepContext, state: Mapping[str, bytes]) -> dict[str, str]:
    """The digests of a version's state, by name of the file."""
    return {name: context.project.blobs.put(data) for name, data in state.items()}
