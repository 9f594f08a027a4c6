"""Which reader a file or folder is for."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from everloop.errors import invalid
from everloop.train.foreign._base import Brought, Hints
from everloop.train.foreign.lightgbm import from_lightgbm
from everloop.train.foreign.mlflow import MLMODEL, from_mlflow, is_pickle, pickled
from everloop.train.foreign.onnx import from_onnx
from everloop.train.foreign.safetensors import from_safetensors
from everloop.train.foreign.skops import from_skops

EXPECTED = "a file .onnx, .lgb, .txt (LightGBM), .skops or .safetensors, or a folder with MLmodel"


def read_model(path: Path, hints: Hints, allowed: Collection[str] = ()) -> Brought:
    """The model in a file or an MLflow folder, as it is served.

    ``allowed`` : the types that a skops file may name beside those that skops itself trusts.

    Raises :class:`~everloop.errors.InvalidInput` for what it is not, and
    :class:`~everloop.errors.Forbidden` for what would have to be trusted.
    """
    if path.is_symlink():
        raise invalid("model", path.name, "a file or folder, no link", code="not_plain")
    if path.is_dir():
        if not (path / MLMODEL).is_file():
            raise invalid("model", path.name, EXPECTED, code="unknown_format")
        return from_mlflow(path, hints, allowed)
    if is_pickle(path):
        raise pickled(path.name, ["pickle"])
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        return from_onnx(path, hints)
    if suffix in (".lgb", ".txt"):
        return from_lightgbm(path, hints)
    if suffix == ".skops":
        return from_skops(path, hints, allowed)
    if suffix == ".safetensors":
        return from_safetensors(path, hints)
    raise invalid("model", path.name, EXPECTED, code="unknown_format")
