"""A network of the parent's weights: its last layer first, then all of it with a small rate."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from everloop.data.schema import Schema
from everloop.train.check import find_candidate
from everloop.train.fitting import Fitting
from everloop.train.state.keeping import resumable
from everloop.train.torch.model import TorchModel
from everloop.train.torch.networks.network import Network
from everloop.train.torch.networks.table import Table
from everloop.train.transfer.mapping import level_places, same

FROZEN = 1 / 3  # of the epochs, in which only the last layer learns
SLOWER = 0.1  # times the rate, when all of it learns


def fine_tuned(
    folder: Path, parent: Schema, goal: Schema, X: np.ndarray, y: np.ndarray, around: Fitting
) -> TorchModel:
    """A network over ``goal`` that begins as the parent's.

    Hidden layers are taken over; so are scales, embeddings of levels and the columns of the first
    layer that belong to features of the same name. New features begin with a weight of zero. The
    last layer is taken over where target, task and classes are the same. It alone learns first
    (Yosinski et al., 2014), then the whole network (Howard and Ruder, 2018).
    """
    known = resumable(folder)
    old: TorchModel = known.model
    params = {k: v for k, v in old.get_params(deep=False).items() if k != "schema"}
    usual = find_candidate(old.kind).defaults(len(y))
    params |= {name: usual[name] for name in ("epochs", "batch_size")}  # for so many rows
    made = TorchModel(schema=goal, **params).begin(X, y)
    _take(old.network_, made.network_, parent, goal)
    last = _last(made.network_)
    if (parent.task, parent.target, parent.classes) == (goal.task, goal.target, goal.classes):
        last.load_state_dict(_last(old.network_).state_dict())
        made.answer_.load_state_dict(old.answer_.state_dict())
    epochs = max(2, int(made.epochs))
    first = max(1, round(epochs * FROZEN))
    for weight in made.network_.parameters():
        weight.requires_grad_(False)
    for weight in last.parameters():
        weight.requires_grad_(True)
    rate, seed = made.learning_rate, made.seed
    made.go_on(X, y, epochs=first, learning_rate=rate, seed=seed, around=around)
    for weight in made.network_.parameters():
        weight.requires_grad_(True)
    return made.go_on(
        X, y, epochs=epochs - first, learning_rate=SLOWER * rate, seed=seed + 1, around=around
    )


def _take(old: Network, new: Network, parent: Schema, goal: Schema) -> None:
    """Copy what both have."""
    layers = [[m for m in net.dense if isinstance(m, nn.Linear)] for net in (old, new)]
    for theirs, ours in zip(layers[0][1:-1], layers[1][1:-1], strict=True):
        ours.load_state_dict(theirs.state_dict())
    before, after = _columns(old, parent), _columns(new, goal)
    places = {name: i for i, name in enumerate(before)}
    both = [(i, places[name]) for i, name in enumerate(after) if name in places]
    with torch.no_grad():
        if len(layers[0]) > 1:
            layers[1][0].weight.zero_()
            layers[1][0].bias.copy_(layers[0][0].bias)
            for i, j in both:
                layers[1][0].weight[:, i] = layers[0][0].weight[:, j]
        _tables(old, new, parent, goal)


def _tables(old: Network, new: Network, parent: Schema, goal: Schema) -> None:
    """Scales of numbers and embeddings of levels; other parts whole, where they fit."""
    features = {f.name: f for f in parent.features}
    theirs, ours = _named(old, parent), _named(new, goal)
    for feature in goal.features:
        mine = features.get(feature.name)
        if mine is None or not same(mine, feature):
            continue
        (a, i), (b, j) = theirs[feature.name], ours[feature.name]
        if not (isinstance(a, Table) and isinstance(b, Table)):
            if _fits(a, b):
                b.load_state_dict(a.state_dict())
        elif feature.kind == "category":
            weights = [cast("nn.Embedding", t.embeddings[p]).weight for t, p in ((a, i), (b, j))]
            if weights[0].shape[1] == weights[1].shape[1]:
                rows = [0, *(place + 1 for place in level_places(mine, feature))]
                weights[1].copy_(weights[0][torch.tensor(rows)])
        elif feature.kind in ("number", "boolean"):
            b.scale.mean[j], b.scale.deviation[j] = a.scale.mean[i], a.scale.deviation[i]


def _fits(a: nn.Module, b: nn.Module) -> bool:
    shapes: list[dict[str, Any]] = [
        {k: cast("Tensor", v).shape for k, v in m.state_dict().items()} for m in (a, b)
    ]
    return shapes[0] == shapes[1]


def _named(network: Network, schema: Schema) -> dict[str, tuple[nn.Module, int]]:
    """For each feature the part that reads it, and its place among those of its kind there."""
    parts = list(network.parts)
    table = parts[0] if parts and isinstance(parts[0], Table) else None
    others = iter(parts[1:] if table is not None else parts)
    seen = {"number": 0, "category": 0, "datetime": 0}
    found: dict[str, tuple[nn.Module, int]] = {}
    for feature in schema.features:
        if feature.kind in ("image", "text", "sequence"):
            found[feature.name] = (next(others), 0)
            continue
        assert table is not None, "a column of a table has one"
        kind = "number" if feature.kind == "boolean" else feature.kind
        found[feature.name] = (table, seen[kind])
        seen[kind] += 1
    return found


def _columns(network: Network, schema: Schema) -> list[str]:
    """What each input of the first dense layer is, in words."""
    named = _named(network, schema)
    numbers = [f for f in schema.features if f.kind in ("number", "boolean")]
    dates = [f"{f.name} {j}" for f in schema.features if f.kind == "datetime" for j in range(3)]
    words = [f"value {f.name}" for f in numbers]
    words += [f"hole {f.name}" for f in numbers if f.nullable]
    words += [f"sine {d}" for d in dates] + [f"cosine {d}" for d in dates]
    for feature in schema.features:
        part, place = named[feature.name]
        if feature.kind == "category":
            size = cast("nn.Embedding", cast("Table", part).embeddings[place]).weight.shape[1]
            words += [f"level {feature.name} {k} of {size}" for k in range(size)]
    for feature in schema.features:
        part, _ = named[feature.name]
        if feature.kind in ("image", "text", "sequence"):
            size = cast("int", part.size)
            words += [f"read {feature.name} {k} of {size}" for k in range(size)]
    return words


def _last(network: Network) -> nn.Linear:
    return cast("nn.Linear", network.dense[-1])
