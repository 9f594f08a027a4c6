"""The training of one network: epochs of batches, judged on validation rows, kept on the way."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from everloop.train.fitting import Fitting, Pruned
from everloop.train.torch.answers import Answer
from everloop.train.torch.checkpoints import Checkpoints, Progress
from everloop.train.torch.device import autocast, describe, mixed_precision

WARM_UP = 0.05  # of the steps, in which the learning rate rises
LARGEST_NORM = 1.0  # of the gradient
JUDGED_AT_ONCE = 4096  # rows


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes
    ----------
    patience : epochs without a better validation loss before it stops.
    checkpoint_every : seconds between two checkpoints within an epoch; 0 writes one a batch.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int
    seed: int
    checkpoint_every: float = 30.0


class Trainer:
    """Trains ``network`` under ``answer`` with AdamW (Loshchilov and Hutter, 2019).

    The learning rate rises linearly, then falls along a cosine. Every epoch draws its own order of
    rows from the seed, so that the order need not be stored. With validation rows, the weights of
    the best epoch are the result; without, those of the last.
    """

    def __init__(
        self, network: nn.Module, answer: Answer, settings: Settings, device: torch.device
    ) -> None:
        self.settings, self.device = settings, device
        self.model = nn.ModuleDict({"network": network, "answer": answer}).to(device)
        self.network, self.answer = network, answer
        self.optimiser = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=mixed_precision(device))
        self.best: dict[str, Tensor] = {}
        self.progress = Progress()

    def run(self, X: np.ndarray, y: np.ndarray, around: Fitting, kept: Checkpoints | None) -> None:
        """Train on n rows; go on where ``kept`` has a checkpoint of this fit.

        Raises :class:`~everloop.train.fitting.Pruned` when ``around.prune`` says so.
        """
        around.report("device", describe(self.device))
        rows = _Rows(X, self.answer.targets(y), around.weights)
        judged = None if around.validation is None else _validation(self.answer, around)
        found = kept.restore(self.model, self.best, self.optimiser) if kept else None
        if found is not None:
            self.progress = found
            around.report("resumed", {"epoch": found.epoch, "step": found.step})
        while self.progress.epoch < self.settings.epochs and not self.progress.stopped:
            self._epoch(rows, kept)
            facts = self._judge(judged)
            if kept:
                kept.save(self.progress, self.model, self.best, self.optimiser)
            around.report("epoch", facts | {"device": str(self.device)})
            if "validation_loss" in facts and around.prune(
                self.progress.epoch, -facts["validation_loss"]
            ):
                raise Pruned
        if self.best:
            self.model.load_state_dict(self.best)
        self.model.cpu().eval()

    def _epoch(self, rows: _Rows, kept: Checkpoints | None) -> None:
        settings, progress = self.settings, self.progress
        started = saved = time.monotonic()
        order = rows.order(settings.seed, progress.epoch)
        batches = math.ceil(len(order) / settings.batch_size)
        self.model.train()
        while progress.step < batches:
            at = progress.step * settings.batch_size
            self._step(rows, order[at : at + settings.batch_size], batches)
            now = time.monotonic()
            if kept and progress.step < batches and now - saved >= settings.checkpoint_every:
                progress.seconds, started, saved = progress.seconds + now - started, now, now
                kept.save(progress, self.model, self.best, self.optimiser)
        progress.seconds += time.monotonic() - started

    def _step(self, rows: _Rows, chosen: Tensor, batches: int) -> None:
        X, targets, weights = rows.take(chosen, self.device)
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate(self.progress.epoch * batches + self.progress.step, batches)
        self.optimiser.zero_grad(set_to_none=True)
        with autocast(self.device):
            raw = self.network(X)
        losses = self.answer.losses(raw.float(), targets)
        loss = losses.mean() if weights is None else (losses * weights).sum() / weights.sum()
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_NORM)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.progress.loss += float(loss.detach()) * len(chosen)
        self.progress.rows += len(chosen)
        self.progress.step += 1

    def _rate(self, step: int, batches: int) -> float:
        total = self.settings.epochs * batches
        warm = max(1, round(total * WARM_UP))
        if step < warm:
            return self.settings.learning_rate * (step + 1) / warm
        done = (step - warm) / max(1, total - warm)
        return self.settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))

    def _judge(self, judged: _Rows | None) -> dict[str, float]:
        """End the epoch: its line in the history, and whether it was the best or the last."""
        progress = self.progress
        facts: dict[str, float] = {
            "epoch": progress.epoch + 1,
            "loss": progress.loss / max(1, progress.rows),
        }
        if judged is not None:
            facts["validation_loss"] = self._loss(judged)
            if facts["validation_loss"] < progress.best:
                progress.best, progress.since = facts["validation_loss"], 0
                state = self.model.state_dict()
                self.best = {k: v.detach().cpu().clone() for k, v in state.items()}
            else:
                progress.since += 1
            progress.stopped = progress.since >= self.settings.patience
        progress.history.append(dict(facts))
        facts["seconds"] = round(progress.seconds, 3)
        progress.epoch, progress.step = progress.epoch + 1, 0
        progress.loss, progress.rows, progress.seconds = 0.0, 0, 0.0
        return facts

    def _loss(self, judged: _Rows) -> float:
        self.model.eval()
        total = 0.0
        with torch.no_grad():
            for start in range(0, len(judged), JUDGED_AT_ONCE):
                stop = min(start + JUDGED_AT_ONCE, len(judged))
                X, targets, _ = judged.take(slice(start, stop), self.device)
                total += float(self.answer.losses(self.network(X), targets).sum())
        return total / max(1, len(judged))


class _Rows:
    """Rows of training on the processor; a batch at a time goes to the device."""

    def __init__(self, X: np.ndarray, targets: Tensor, weights: np.ndarray | None) -> None:
        self.X, self.targets = torch.from_numpy(np.ascontiguousarray(X, np.float64)), targets
        self.weights = None if weights is None else torch.from_numpy(weights.astype(np.float32))

    def __len__(self) -> int:
        return len(self.X)

    def order(self, seed: int, epoch: int) -> Tensor:
        mixed = np.random.default_rng((seed, epoch)).permutation(len(self))
        return torch.from_numpy(mixed)

    def take(
        self, chosen: Tensor | slice, device: torch.device
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        weights = None if self.weights is None else self.weights[chosen].to(device)
        return self.X[chosen].to(device), self.targets[chosen].to(device), weights


def _validation(answer: Answer, around: Fitting) -> _Rows:
    assert around.validation is not None
    X, y = around.validation
    return _Rows(X, answer.targets(y), None)
