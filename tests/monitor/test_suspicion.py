from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from everloop.data.schema import Feature, Schema
from everloop.monitor.suspicion import Counts, contradicted, suspicion

SCHEMA = Schema((Feature("x", "number"), Feature("site", "category")), "y", "binary", (False, True))


def window(seed: int, n: int = 600, *, poison: str = "", share: float = 1.0) -> Counts:
    """A model that is right in 93 of 100 sure answers; ``poison`` turns labels round."""
    rng = np.random.default_rng(seed)
    proba = rng.uniform(0, 1, n)
    pred = (proba > 0.5).astype(np.int64)
    y = np.where(rng.uniform(size=n) < 0.07, 1 - pred, pred)
    site = rng.choice(["a", "b", "c", "d"], n)
    where = {
        "": np.zeros(n, bool),
        "site": site == "b",
        "class": pred == 1,
        "all": np.ones(n, bool),
        "thin": rng.uniform(size=n) < 0.05,
    }[poison]
    y = np.where(where & (rng.uniform(size=n) < share), 1 - y, y)
    frame = pl.DataFrame({"x": proba, "site": site})
    return contradicted(frame, y, pred, np.column_stack([1 - proba, proba]), SCHEMA)


PAST = [window(seed) for seed in range(1, 6)]


@pytest.mark.parametrize(("poison", "part"), [("site", "site=b"), ("class", "answers of True")])
def test_labels_that_were_turned_round_in_one_part_are_suspected(poison: str, part: str) -> None:
    fault = suspicion(window(9, poison=poison), PAST)
    assert fault is not None and fault.quarantine
    assert fault.evidence["part"] == part
    assert fault.evidence["contradicted"] > 0.8 * fault.evidence["rows"]
    assert "look poisoned" in fault.summary


@pytest.mark.parametrize("poison", ["", "all", "thin"])
def test_a_world_that_moved_and_noise_are_not(poison: str) -> None:
    """Contradictions everywhere are concept drift; a few anywhere are noise."""
    for seed in range(20, 30):
        assert suspicion(window(seed, poison=poison), PAST) is None


def test_too_little_says_nothing() -> None:
    assert suspicion(window(9, poison="site"), PAST[:0]) is None
    assert suspicion(window(9, n=40, poison="site"), PAST) is None
    numbers = Schema((Feature("x", "number"),), "y", "regression")
    y = np.arange(50.0)
    assert contradicted(pl.DataFrame({"x": y}), y, y, None, numbers) == {}
