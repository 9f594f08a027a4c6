"""Networks of PyTorch: fine steps from the weights as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
import numpy as np
from safetensors.torch import load, save

from everloop.data.schema import Schema
from everloop.train.state._base import About, Learner, Lesson
from everloop.train.torch.export import Answering
from everloop.train.torch.model import TorchModel

FILE = "network.safetensors"
SCHEMA = "schema.json"
SLOWER = 0.1  # times the rate of the full fit
EPOCHS = 3


class NetworkLearner(Learner):
    """AdamW with a small rate on new rows and at most as many old ones.

    What the network learned of its features' scales stays as it is.
    """

    ways: ClassVar[tuple[str, ...]] = ("fine steps",)

    def saved(self, model: Any) -> dict[str, bytes]:
        weights = Answering(model.network_, model.answer_).state_dict()
        return {
            FILE: save({name: w.contiguous() for name, w in weights.items()}),
            SCHEMA: msgspec.json.encode(model.schema),
        }

    def loaded(self, files: Mapping[str, bytes], about: About) -> Any:
        schema = msgspec.json.decode(files[SCHEMA], type=Schema)
        model = TorchModel(schema=schema, kind=about.algorithm, **about.params)
        return model.put(load(files[FILE]))

    def learn(self, model: Any, way: str, lesson: Lesson, about: About) -> Any:
        rng = np.random.default_rng(lesson.seed)
        beside = np.sort(rng.permutation(len(lesson.old_y))[: len(lesson.y)])
        X = np.vstack([lesson.old_X[beside], lesson.X])
        y = np.concatenate([lesson.old_y[beside], lesson.y])
        made = self.loaded(self.saved(model), about)
        rate = SLOWER * made.learning_rate
        return made.go_on(X, y, epochs=EPOCHS, learning_rate=rate, seed=lesson.seed)
