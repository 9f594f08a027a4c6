"""Gradient boosted trees by LightGBM."""

from __future__ import annotations

import importlib
import os
from typing import Any, ClassVar

import numpy as np

from everloop.data.schema import Schema, Task
from everloop.extensions import candidates
from everloop.train.candidates._base import ALIKE
from everloop.train.candidates._by_label import ByLabel
from everloop.train.candidates._by_reward import ByReward
from everloop.train.candidates._quantiles import ByQuantile
from everloop.train.cores import cores
from everloop.train.fitting import Fitting, Pruned

PATIENCE = 40  # rounds without a better validation loss, then fitting stops
ASK_EVERY = 10  # rounds, whether the trial is worth going on with
FEW_ROWS = 5_000  # below this, threads wait for each other longer than they work


@candidates.register("lightgbm")
class LightGBM(ByReward, ByQuantile, ByLabel):
    """``F ← F + η tree(-∂loss/∂F)``, leaf by leaf on histograms (Friedman, 2001; Ke et al., 2017).

    Missing values are native. Quantiles by the pinball loss; rankings by LambdaRank (Burges,
    2010), whole groups at a time.
    """

    estimators: ClassVar[dict[Task, str]] = {
        "regression": "lightgbm:LGBMRegressor",
        "binary": "lightgbm:LGBMClassifier",
        "multiclass": "lightgbm:LGBMClassifier",
        "quantile": "lightgbm:LGBMRegressor",
        "ranking": "lightgbm:LGBMRanker",
    }
    weighted = ALIKE
    quantile_name = "alpha"
    quantile_arguments: ClassVar[dict[str, Any]] = {"objective": "quantile"}
    preparation = "everloop.train.preparation:native_codes"

    def build(self, schema: Schema, task: Task, seed: int, params: dict[str, Any]) -> Any:
        # Read when LightGBM's OpenMP loads: threads that wait by spinning made training 10 times
        # slower here as soon as another process wanted a core.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        return super().build(schema, task, seed, params)

    def fit(self, estimator: Any, X: np.ndarray, y: np.ndarray, around: Fitting) -> None:
        if len(X) < FEW_ROWS and hasattr(estimator, "steps"):
            estimator[-1].set_params(n_jobs=1)
        if around.groups is not None and _ranks(estimator):
            _fit_groups(estimator, X, y, around.groups)
            return
        if around.validation is None or not hasattr(estimator, "steps"):
            super().fit(estimator, X, y, around)
            return
        lightgbm = importlib.import_module("lightgbm")
        front, model = estimator[:-1], estimator[-1]
        Xv, yv = around.validation

        def prune(env: Any) -> None:
            if (env.iteration + 1) % ASK_EVERY == 0:
                _, _, value, greater_is_better = env.evaluation_result_list[0][:4]
                if around.prune(env.iteration + 1, value if greater_is_better else -value):
                    raise Pruned

        best = [0]
        stop = lightgbm.early_stopping(PATIENCE, verbose=False)

        def stopping(env: Any) -> None:
            try:
                stop(env)
            except lightgbm.callback.EarlyStopException as end:
                best[0] = end.best_iteration + 1
                # The trees after the best are kept, see settle.
                raise type(end)(env.iteration, end.best_score) from None

        rows = front.fit_transform(X, y)
        model.fit(
            rows,
            y,
            sample_weight=around.weights,
            eval_set=[(front.transform(Xv), yv)],
            callbacks=[stopping, prune],
        )
        model.booster_.best_iteration = best[0]

    def settled(self, estimator: Any) -> dict[str, Any]:
        if not hasattr(estimator, "steps") or not getattr(estimator[-1], "best_iteration_", None):
            return {}
        return {"n_estimators": estimator[-1].booster_.best_iteration}

    def settle(self, estimator: Any, params: dict[str, Any]) -> None:
        estimator[-1].booster_.best_iteration = params["n_estimators"]

    def fixed(self, schema: Schema, params: dict[str, Any]) -> dict[str, Any]:
        return {
            "n_jobs": cores(),
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
            "subsample_freq": 1,
            # Enough for the bounds of 255 bins; more only takes memory, 8 bytes a value.
            "subsample_for_bin": 50_000,
        }

    def defaults(self, rows: int) -> dict[str, Any]:
        return {
            "n_estimators": 100,
            "learning_rate": 0.1,
            "num_leaves": 31,
            "min_child_samples": min(20, max(3, rows // 30)),
        }

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "n_estimators": trial.suggest_int("n_estimators", 100, 1000, log=True),
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "num_leaves": trial.suggest_int("num_leaves", 7, 127, log=True),
            "min_child_samples": trial.suggest_int("min_child_samples", 3, 200, log=True),
            "reg_lambda": trial.suggest_float("reg_lambda", 1e-3, 30.0, log=True),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1.0),
        }


def _fit_groups(estimator: Any, X: np.ndarray, y: np.ndarray, groups: np.ndarray) -> None:
    """LightGBM wants the rows of a group together, and how many each has."""
    order = np.argsort(groups, kind="stable")
    sizes = np.unique(groups, return_counts=True)[1]
    estimator[-1].fit(estimator[:-1].fit_transform(X[order]), y[order], group=sizes)


def _ranks(estimator: Any) -> bool:
    return hasattr(estimator, "steps") and type(estimator[-1]).__name__ == "LGBMRanker"
