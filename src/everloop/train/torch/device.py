"""Where a network is trained: what was asked for, what there is, and the sentence in between."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from everloop.errors import EverloopError, invalid
from everloop.train.check import DEVICE


def choose(wanted: str, field: str = "train.device") -> torch.device:
    """The device to train on: a GPU when there is one and ``wanted`` is ``auto``.

    Raises :class:`~everloop.errors.InvalidInput` when ``wanted`` is not here.
    """
    if not DEVICE.fullmatch(wanted):
        raise invalid(field, wanted, '"auto", "cpu", "cuda", "cuda:0" or "mps"')
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(wanted)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise _absent(field, wanted, f"sees {count} CUDA devices")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise _absent(field, wanted, "sees no Apple GPU")
    return device


def describe(device: torch.device) -> dict[str, object]:
    """What a run records: the device, its name, and whether numbers of half precision are used."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    facts: dict[str, object] = {"device": str(device), "device_name": name}
    facts["mixed_precision"] = mixed_precision(device)
    if device.type == "cpu":
        facts["threads"] = torch.get_num_threads()
    return facts


def mixed_precision(device: torch.device) -> bool:
    """Whether half precision is worth it there: on CUDA, where it is computed by own units."""
    return device.type == "cuda"


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """The context of a forward pass in mixed precision, where the device has it."""
    return torch.autocast(device.type, dtype=torch.float16, enabled=mixed_precision(device))


def _absent(field: str, wanted: str, found: str) -> EverloopError:
    return invalid(
        field,
        wanted,
        f"a device that is here (PyTorch {torch.__version__} {found})",
        code="no_such_device",
        fix='Use device = "auto", which takes a GPU when there is one.',
    )
