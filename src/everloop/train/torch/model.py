"""A network with the manners of a scikit-learn estimator."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from safetensors.torch import save_file
from sklearn.base import BaseEstimator

from everloop.data.schema import Schema
from everloop.train.cores import cores
from everloop.train.fitting import Fitting
from everloop.train.torch.answers import Answer, answer_for
from everloop.train.torch.checkpoints import Checkpoints
from everloop.train.torch.device import choose
from everloop.train.torch.export import Answering, Last, export
from everloop.train.torch.networks.network import Network
from everloop.train.torch.trainer import Settings, Trainer

ENOUGH_ROWS = 500  # to spare some that say when to stop
SPARED = 0.1
PREDICTED_AT_ONCE = 4096  # rows


class TorchModel(BaseEstimator):  # type: ignore[misc]
    """A network of ``kind`` over the matrix ``X`` of ``schema``.

    ``history_`` is the curve: for each epoch its loss and, where rows were spared, the loss on
    them. ``device_`` is where it was trained; afterwards it answers on the processor.
    """

    def __init__(
        self,
        schema: Schema,
        kind: str,
        seed: int = 0,
        width: int = 64,
        hidden: int = 128,
        layers: int = 2,
        dropout: float = 0.1,
        epochs: int = 20,
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-2,
        patience: int = 5,
        checkpoint_every: float = 30.0,
    ) -> None:
        self.schema, self.kind, self.seed = schema, kind, seed
        self.width, self.hidden, self.layers, self.dropout = width, hidden, layers, dropout
        self.epochs, self.batch_size, self.learning_rate = epochs, batch_size, learning_rate
        self.weight_decay, self.patience = weight_decay, patience
        self.checkpoint_every = checkpoint_every

    def fit(self, X: np.ndarray, y: np.ndarray, around: Fitting | None = None) -> TorchModel:
        """Train on n rows of ``X``; ``around`` brings validation, checkpoints and the device.

        Without validation rows, a tenth of 500 rows or more is spared to say when to stop.
        """
        around = Fitting() if around is None else around
        device = choose(around.device)
        if torch.get_num_threads() > cores():
            torch.set_num_threads(cores())
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            network, answer = self._built()
            network.learn(X)
            answer.learn(y)
            kept = None
            if around.checkpoints is not None:
                kept = Checkpoints(around.checkpoints, self._fingerprint(X, y))
            X, y, around = self._spare(X, y, around)
            trainer = Trainer(network, answer, self._settings(), device)
            trainer.run(X, y, around, kept)
        self.network_, self.answer_ = network, answer
        self.history_, self.device_ = trainer.progress.history, str(device)
        self.classes_ = np.arange(len(self.schema.classes))
        return self

    def begin(self, X: np.ndarray, y: np.ndarray) -> TorchModel:
        """As it is before training on these n rows: scales learned, weights drawn."""
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            network, answer = self._built()
        network.learn(X)
        answer.learn(y)
        self.network_, self.answer_ = network, answer
        self.history_, self.device_ = [], "cpu"
        self.classes_ = np.arange(len(self.schema.classes))
        return self

    def put(self, weights: Mapping[str, torch.Tensor]) -> TorchModel:
        """Take weights that :meth:`save` wrote, what was learned of scales among them."""
        network, answer = self._built()
        Answering(network, answer).load_state_dict(dict(weights))
        self.network_, self.answer_ = network.eval(), answer.eval()
        self.history_, self.device_ = [], "cpu"
        self.classes_ = np.arange(len(self.schema.classes))
        return self

    def go_on(
        self,
        X: np.ndarray,
        y: np.ndarray,
        epochs: int,
        learning_rate: float,
        seed: int,
        around: Fitting | None = None,
    ) -> TorchModel:
        """Train a fitted network on, on n rows; scales stay. Parameters that need no gradient
        (``requires_grad`` is false) stay too."""
        around = Fitting() if around is None else around
        settings = replace(self._settings(), epochs=epochs, learning_rate=learning_rate, seed=seed)
        device = choose(around.device)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            trainer = Trainer(self.network_, self.answer_, settings, device)
            trainer.run(X, y, around, None)
        self.history_, self.device_ = trainer.progress.history, str(device)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Codes of classes, or numbers."""
        return self._answers(X)[0]

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """n by k in the order of ``schema.classes``."""
        return self._answers(X)[1]

    def module(self) -> torch.nn.Module:
        """From ``X`` to what is answered last (numbers, or probabilities), n by outputs."""
        return Last(Answering(self.network_, self.answer_)).eval()

    def save(self, path: Path | str) -> None:
        """Write the weights as safetensors; the header says which network they are for."""
        told = {"kind": self.kind, "width": self.width, "hidden": self.hidden}
        header = {key: str(value) for key, value in {**told, "layers": self.layers}.items()}
        weights = Answering(self.network_, self.answer_).state_dict()
        save_file({name: w.contiguous() for name, w in weights.items()}, path, header)

    def export_onnx(self, schema: Schema) -> bytes:
        """The whole graph from ``X`` to the answers, preparation included."""
        return export(self.network_, self.answer_, schema)

    def _answers(self, X: np.ndarray) -> list[np.ndarray]:
        model = Answering(self.network_, self.answer_).eval()
        rows = torch.from_numpy(np.ascontiguousarray(X, dtype=np.float64))
        with torch.inference_mode():
            parts = [model(part) for part in torch.split(rows, PREDICTED_AT_ONCE)]
        return [torch.cat(column).numpy() for column in zip(*parts, strict=True)]

    def _built(self) -> tuple[Network, Answer]:
        answer = answer_for(self.schema)
        sizes = (self.width, self.hidden, self.layers)
        return Network(self.schema, self.kind, answer.outputs, *sizes, self.dropout), answer

    def _settings(self) -> Settings:
        return Settings(
            self.epochs,
            self.batch_size,
            self.learning_rate,
            self.weight_decay,
            self.patience,
            self.seed,
            self.checkpoint_every,
        )

    def _spare(
        self, X: np.ndarray, y: np.ndarray, around: Fitting
    ) -> tuple[np.ndarray, np.ndarray, Fitting]:
        """Rows to train on; the others become the validation, the latest where time counts."""
        n = len(X)
        if around.validation is not None or n < ENOUGH_ROWS:
            return X, y, around
        order = np.random.default_rng(self.seed).permutation(n)
        if self.schema.time is not None:
            order = np.arange(n)
        kept, spared = np.sort(order[: n - round(n * SPARED)]), order[n - round(n * SPARED) :]
        weights = None if around.weights is None else around.weights[kept]
        validation = (X[spared], y[spared])
        return X[kept], y[kept], replace(around, validation=validation, weights=weights)

    def _fingerprint(self, X: np.ndarray, y: np.ndarray) -> str:
        """Of all that decides what this fit comes to, but where and how long it runs."""
        params = {k: v for k, v in self.get_params(deep=False).items() if k != "schema"}
        params.pop("checkpoint_every")
        told: list[Any] = [msgspec.to_builtins(self.schema), params, X.shape, torch.__version__]
        digest = hashlib.sha256(msgspec.json.encode(told, enc_hook=str))
        for part in (X, y):
            digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()
