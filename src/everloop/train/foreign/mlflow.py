"""MLflow's model folders: which flavour is safe, and what the signature says.

=============  ==========================  ==================================================
flavour        file                        how it is read
=============  ==========================  ==================================================
onnx           model.onnx                  :mod:`everloop.train.foreign.onnx`
lightgbm       model.lgb, model.txt        :mod:`everloop.train.foreign.lightgbm`
sklearn,       model.skops                 :mod:`everloop.train.foreign.skops`; the types that
lightgbm                                   the folder itself calls trusted are not
any            model.pkl, python_model.pkl refused: unpickling runs whatever the file says
=============  ==========================  ==================================================

Only the file ``MLmodel`` is read for that; nothing of mlflow is imported.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import yaml

from everloop.errors import Forbidden, InvalidInput, invalid
from everloop.train.foreign._base import Brought, Hints, bounded, unreadable
from everloop.train.foreign.lightgbm import from_lightgbm
from everloop.train.foreign.onnx import from_onnx
from everloop.train.foreign.skops import from_skops

MLMODEL = "MLmodel"
_LONGEST = 4 << 20
_PICKLES = (".pkl", ".pickle", ".joblib", ".cloudpickle", ".pt", ".pth")
WAY_OUT = (
    "Save it again as ONNX (mlflow.onnx.log_model) or, of scikit-learn, with "
    'serialization_format="skops"; or sign the folder and run it in a process of its own with '
    "--trust KEYNAME."
)


def from_mlflow(folder: Path, hints: Hints, allowed: Collection[str]) -> Brought:
    """The model of an MLflow folder, by its first flavour that is safe.

    Raises :class:`~everloop.errors.Forbidden` (code ``pickled_model``) when there is none.
    """
    told = read_mlmodel(folder)
    flavors: dict[str, Any] = told["flavors"]
    hints = with_signature(hints, told.get("signature"))
    for flavor in ("onnx", "lightgbm", "sklearn"):
        options = flavors.get(flavor)
        if not isinstance(options, dict):
            continue
        name = str(options.get("data") or options.get("pickled_model") or "")
        if flavor == "onnx":
            return from_onnx(_inside(folder, name), hints)
        if name.endswith(".skops"):
            return from_skops(_inside(folder, name), hints, allowed)
        if flavor == "lightgbm" and name.endswith((".lgb", ".txt")):
            return from_lightgbm(_inside(folder, name), hints)
    raise pickled(folder.name, flavors)


def read_mlmodel(folder: Path) -> dict[str, Any]:
    """The file ``MLmodel`` of a folder, checked to name flavours."""
    data = bounded(folder / MLMODEL)
    if len(data) > _LONGEST:
        raise unreadable("MLflow model", MLMODEL, f"{len(data):,} bytes")
    try:
        told = yaml.safe_load(data)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise unreadable("MLflow model", MLMODEL, error) from None
    if not isinstance(told, dict) or not isinstance(told.get("flavors"), dict):
        raise unreadable("MLflow model", MLMODEL, "it names no flavors")
    return told


def pickled(name: str, flavors: Collection[str]) -> Forbidden:
    """What is said of a model that would have to be unpickled."""
    shown = ", ".join(sorted(map(str, flavors)))[:200]
    return Forbidden(
        f"model: got {name!r} with the flavours {shown}, which hold a pickle: loading it would run "
        f"whatever it says. {WAY_OUT}",
        code="pickled_model", path="model", got=shown,
        expected="onnx, LightGBM's text or skops", fix=WAY_OUT,
    )  # fmt: skip


def is_pickle(path: Path) -> bool:
    """Whether a file's name says that it is a pickle."""
    return path.suffix.lower() in _PICKLES


def _inside(folder: Path, name: str) -> Path:
    """A file or folder that the model names, which must lie in its folder."""
    parts = PurePosixPath(name).parts
    path = folder / name
    if not parts or ".." in parts or parts[0] == "/" or path.resolve() != folder.resolve() / name:
        raise invalid("model.data", name, "a plain file in the model's folder", code="outside")
    if path.is_dir():
        inner = [p for p in path.iterdir() if p.suffix == ".onnx"]
        if len(inner) == 1:
            return inner[0]
    return path


def with_signature(hints: Hints, signature: Any) -> Hints:
    """The names of the columns, where the signature tells them and a person does not."""
    if hints.schema is not None or hints.features or not isinstance(signature, dict):
        return hints
    try:
        inputs = msgspec.json.decode(signature.get("inputs") or "[]", type=list[dict[str, Any]])
        outputs = msgspec.json.decode(signature.get("outputs") or "[]", type=list[dict[str, Any]])
    except (msgspec.MsgspecError, TypeError):
        raise InvalidInput(
            "model.signature: got something else, expected MLflow's lists of columns.",
            code="unreadable_model", path="model.signature",
        ) from None  # fmt: skip
    names = tuple(str(one["name"]) for one in inputs if one.get("name") is not None)
    target = [one.get("name") for one in outputs if isinstance(one.get("name"), str)]
    columns = bool(names) and all(one.get("type") != "tensor" for one in inputs)
    return msgspec.structs.replace(
        hints,
        features=names if columns else (),
        target=target[0] if len(target) == 1 and hints.target == "prediction" else hints.target,
    )
