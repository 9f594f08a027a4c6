"""The state of training in one safetensors file, from which it goes on as if never stopped.

Tensors (weights, the best weights so far, the optimiser's moments, the random generators) are
stored under ``model.``, ``best.``, ``optimiser.`` and ``random.``; counters and curves are JSON in
the file's metadata. Nothing is unpickled. A file is written beside the old one and then takes its
place, so that a kill leaves the one or the other, whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from everloop.replacing import replacing

NAME = "checkpoint.safetensors"


class Progress(msgspec.Struct):
    """How far training has come.

    ``epoch`` and ``step`` say which batch comes next; ``loss`` and ``rows`` are sums over the
    batches of this epoch so far; ``history`` has one entry an epoch; ``best`` is the lowest
    validation loss, ``since`` the epochs without a better one.
    """

    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    rows: int = 0
    best: float = float("inf")
    since: int = 0
    stopped: bool = False
    seconds: float = 0.0
    history: list[dict[str, float]] = []


class Checkpoints:
    """The checkpoint of one fit in ``folder``; ``fingerprint`` says which fit it belongs to."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.path = folder / NAME
        self.fingerprint = fingerprint

    def save(
        self, progress: Progress, model: nn.Module, best: dict[str, Tensor], optimiser: Optimizer
    ) -> None:
        tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in best.items()}
        state = optimiser.state_dict()["state"]
        for index, moments in state.items():
            tensors |= {f"optimiser.{index}.{k}": v for k, v in moments.items()}
        tensors["random.cpu"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        metadata = {
            "fingerprint": self.fingerprint,
            "progress": _encode(progress),
        }
        copies = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
        with replacing(self.path) as fresh:
            save_file(copies, fresh, metadata=metadata)

    def restore(
        self, model: nn.Module, best: dict[str, Tensor], optimiser: Optimizer
    ) -> Progress | None:
        """Put the saved state in place; None when there is none of this fit, or it is damaged."""
        read = self._read()
        if read is None:
            return None
        progress, tensors = read
        model.load_state_dict(_under(tensors, "model."))
        best.update(_under(tensors, "best."))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _under(tensors, "optimiser.").items():
            index, _, key = name.partition(".")
            moments.setdefault(int(index), {})[key] = value
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": moments, "param_groups": groups})
        torch.set_rng_state(tensors["random.cpu"])
        if "random.cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["random.cuda"])
        return progress

    def _read(self) -> tuple[Progress, dict[str, Tensor]] | None:
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt", device="cpu") as file:
                metadata = file.metadata() or {}
                if metadata.get("fingerprint") != self.fingerprint:
                    return None
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return _decode(metadata["progress"]), tensors
        except (SafetensorError, OSError, KeyError, msgspec.MsgspecError):
            return None


def _encode(progress: Progress) -> str:
    built: dict[str, Any] = msgspec.to_builtins(progress)
    if progress.best == float("inf"):  # JSON has no infinity
        del built["best"]
    return msgspec.json.encode(built).decode()


def _decode(text: str) -> Progress:
    return msgspec.json.decode(text, type=Progress)


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
