"""Weights of everloop's own networks in a safetensors file, with the architecture they are for.

The header of the file declares it (``kind``, ``width``, ``hidden``, ``layers``), as
:meth:`everloop.train.torch.model.TorchModel.save` writes it; the schema is told. The network is
made from these words, takes the weights if every name and shape fits, and becomes ONNX.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import msgspec

from everloop.errors import MissingExtra
from everloop.train.foreign._base import Brought, Hints, bounded, not_servable, unreadable

MOST = {"width": 4096, "hidden": 16_384, "layers": 64}


class Architecture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which network, and how large."""

    kind: str
    width: int = 64
    hidden: int = 128
    layers: int = 2


def from_safetensors(path: Path, hints: Hints) -> Brought:
    """The network of a file. Raises :class:`~everloop.errors.InvalidInput` for one that does not
    fit its architecture or its schema."""
    if hints.schema is None:
        raise not_servable("schema", "none", "the one it was trained with", "Say --schema FILE.")
    bounded(path)
    try:
        safe = importlib.import_module("safetensors")
        networks = importlib.import_module("everloop.train.torch.networks.network")
        answers = importlib.import_module("everloop.train.torch.answers")
        export = importlib.import_module("everloop.train.torch.export")
    except ImportError:
        raise MissingExtra("Reading a network", "torch") from None
    try:
        with safe.safe_open(str(path), "pt") as file:
            told = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # safetensors raises a type of its own
        raise unreadable("safetensors file", path.name, error) from None
    wanted = _architecture(told, path.name)
    answer: Any = answers.answer_for(hints.schema)
    try:
        network = networks.Network(
            hints.schema, wanted.kind, answer.outputs, wanted.width, wanted.hidden,
            wanted.layers, 0.0,
        )  # fmt: skip
        both = export.Answering(network, answer)
        both.load_state_dict(weights)
    except (RuntimeError, KeyError, ValueError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise not_servable(
            "model", lines[min(1, len(lines) - 1)][:200] if lines else "weights",
            f"the weights of a {wanted.kind} for this schema",
        ) from None  # fmt: skip
    return Brought(export.export(network, answer, hints.schema), hints.schema, wanted.kind)


def _architecture(told: dict[str, str], name: str) -> Architecture:
    given = {key: told[key] for key in Architecture.__struct_fields__ if key in told}
    try:
        wanted = msgspec.convert(given, Architecture, strict=False)
    except msgspec.ValidationError as error:
        raise unreadable("safetensors file of a network", name, error) from None
    for key, most in MOST.items():
        if not 0 < getattr(wanted, key) <= most:
            raise not_servable(f"model.{key}", getattr(wanted, key), f"from 1 to {most}")
    return wanted
