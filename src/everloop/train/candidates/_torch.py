"""What the networks have in common as candidates; PyTorch is imported when one is built."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from everloop.data.schema import Kind, Schema, Task
from everloop.errors import invalid
from everloop.train.candidates._base import Candidate
from everloop.train.fitting import Fitting
from everloop.train.loading import load

MODEL = "everloop.train.torch.model:TorchModel"
PACKAGES = ("torch", "onnxscript", "safetensors")
SEEN = 4_000_000  # rows over all epochs; some tens of seconds for a table on one core


class TorchCandidate(Candidate):
    """A network by its plain name.

    Attributes
    ----------
    kind : which network, a key of :data:`everloop.train.torch.networks.network.READERS`.
    reads : kinds of features of which it needs one; empty when any will do.
    widths : of what reads images, texts and sequences, that a search tries.
    seen : rows that all epochs together may read, unless three epochs are more.
    """

    kind: ClassVar[str]
    reads: ClassVar[tuple[Kind, ...]] = ()
    seen: ClassVar[int] = SEEN
    widths: ClassVar[tuple[int, ...]] = (32, 64, 128)
    quick: ClassVar[bool] = False
    alone: ClassVar[bool] = True  # PyTorch's generator is one for all
    estimators: ClassVar[dict[Task, str]] = {
        "regression": MODEL,
        "binary": MODEL,
        "multiclass": MODEL,
        "multilabel": MODEL,
    }

    def suits(self, schema: Schema) -> None:
        """Refuse rows without a feature of the kinds that this network reads."""
        if self.reads and not any(f.kind in self.reads for f in schema.features):
            raise invalid(
                "train.candidates",
                self.kind,
                f"a feature of the kind {' or '.join(self.reads)}",
                code="wrong_features",
                fix='Use "torch_mlp" or "lightgbm" for a table.',
            )

    def build(self, schema: Schema, task: Task, seed: int, params: dict[str, Any]) -> Any:
        """An untrained network with its own preparation.

        Raises :class:`~everloop.errors.InvalidInput` when PyTorch is not installed, or the data
        has nothing that this network reads.
        """
        for package in PACKAGES:
            if find_spec(package) is None:
                raise invalid(
                    "train.candidates",
                    self.kind,
                    f"{package} to be installed",
                    code="missing_package",
                    fix='Run: pip install "everloop[torch]".',
                )
        self.suits(schema)
        # As for LightGBM: read when OpenMP loads; threads that wait by spinning made a small
        # network 10 times slower as soon as another process wanted a core.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        return load(self.estimators[task])(schema=schema, kind=self.kind, seed=seed, **params)

    def fit(self, estimator: Any, X: np.ndarray, y: np.ndarray, around: Fitting) -> None:
        estimator.fit(X, y, around)

    def defaults(self, rows: int) -> dict[str, Any]:
        batch = 32 if rows < 2_000 else 128 if rows < 50_000 else 512
        return {
            "width": 64,
            "hidden": 128,
            "layers": 2,
            "dropout": 0.1,
            "learning_rate": 1e-3,
            "weight_decay": 1e-2,
            "batch_size": batch,
            "epochs": int(np.clip(self.seen // max(1, rows), 3, 40)),
        }

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "width": trial.suggest_categorical("width", list(self.widths)),
            "hidden": trial.suggest_categorical("hidden", [64, 128, 256]),
            "layers": trial.suggest_int("layers", 1, 3),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
            "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-4, 1e-1, log=True),
            "batch_size": trial.suggest_categorical("batch_size", [32, 128, 512]),
            "epochs": trial.suggest_int("epochs", 5, 40),
        }
