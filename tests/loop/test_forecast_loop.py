"""A forecast goes round the loop and is held against persistence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from loop_stream import carry_out

import everloop as el


def test_a_forecast_goes_round_the_loop(tmp_path: Path) -> None:
    """A weekly pattern with noise: yesterday's value is a poor answer, last week's a good one."""
    rng = np.random.default_rng(0)
    days = pl.date_range(pl.date(2021, 1, 1), pl.date(2022, 12, 31), eager=True)
    week = np.array([0.0, 30.0, 5.0, 60.0, 10.0, 90.0, 20.0])
    sold = 100 + week[np.arange(len(days)) % 7] + rng.normal(scale=5.0, size=len(days))
    pl.DataFrame({"day": days, "sold": sold}).write_parquet(tmp_path / "sales.parquet")
    declared = {
        "data": {
            "source": "sales.parquet",
            "target": "sold",
            "time": "day",
            "forecast": {"horizon": 1, "means": [7]},
        },
        "train": {"candidates": ["ridge", "lightgbm"]},
        "evaluate": {"metric": "rmse", "gates": ["rmse <= 12"]},
    }
    loop = el.declare(tmp_path, el.from_dict(declared).declaration)
    with loop.project as project:
        cycle = carry_out(project, loop.run(wait=False))
        assert cycle.verdict == "promoted", cycle.reason
        trained = project.cycles.step(cycle.id, "train")
        assert trained is not None and trained.result is not None
        best, *_, last = trained.result["candidates"]
        assert last["params"] == {"strategy": "persistence"}
        assert best["score"] < 0.3 * last["score"]
        history = {f"sold_lag_{k}": [100 + week[(700 - k) % 7]] for k in range(1, 8)}
        row = pl.DataFrame(history).with_columns(sold_mean_7=pl.lit(100 + week.mean()))
        assert abs(loop.predict(row)["y_pred"][0] - (100 + week[700 % 7])) < 8
