"""What the prediction log says of a rollout: read part by part, each part once."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.deploy.guards import Batch, Rows
from everloop.deploy.rates import Counts
from everloop.deploy.rollouts import Rollout, Seen
from everloop.loop.project import Project
from everloop.monitor.labels import answer_codes

LABEL_SECONDS = 2.0  # between two counts of the labels, which look at the whole stage
UNPAIRED = 2000  # answers of the champion that wait for a shadow's, at most


class Evidence:
    """Folds the log into a rollout's :class:`~everloop.deploy.rollouts.Seen`."""

    def __init__(self, project: Project, rollout: Rollout) -> None:
        self._project = project
        self._rollout = rollout
        champion = project.registry.version(rollout.model, rollout.champion)
        self._schema = project.package(champion)[1].schema
        self._labels_due = 0.0
        self._with_labels = rollout.spec.kind in ("ab", "bandit", "interleave") or (
            "labels" in rollout.spec.watch
        )

    def read(self, seen: Seen, since: int) -> list[dict[int, Batch]]:
        """Fold in what is new; returns it by part and version on trial, for the guards.

        ``since`` : ms; requests that came before belong to an earlier stage.
        """
        endpoint, found = self._rollout.endpoint, []
        for number, frame in self._project.log.fresh(endpoint, seen.predictions, since):
            seen.predictions = number
            found.append(self._batches(seen, frame))
        labels = self._labels(seen, since)
        if labels is not None:
            champion = labels[self._rollout.champion]
            found.append({v: Batch(labels=(labels[v], champion)) for v in self._rollout.versions})
        return found

    def _batches(self, seen: Seen, frame: pl.DataFrame) -> dict[int, Batch]:
        codes = _single(answer_codes(frame["y"], self._schema))
        frame = frame.with_columns(y=pl.Series(codes, dtype=pl.Float64).fill_nan(None))
        rows = {v: _rows(frame, v) for v in (self._rollout.champion, *self._rollout.versions)}
        for version, mine in rows.items():
            n, failed = seen.requests.get(str(version), (0, 0))
            seen.requests[str(version)] = (n + mine.requests.n, failed + mine.requests.hits)
        champion = rows[self._rollout.champion]
        return {
            v: Batch(rows[v], champion, self._pairs(seen, frame, v)) for v in self._rollout.versions
        }

    def _pairs(self, seen: Seen, frame: pl.DataFrame, version: int) -> Counts:
        """Rows that a shadow and the champion answered, and where they disagree.

        The shadow comes later, so answers of the champion wait from one part to the next.
        """
        keyed = frame.select("version", "arm", "y", key=pl.col("request") + "\0" + pl.col("id"))
        answered = keyed.filter(pl.col("y").is_not_null())
        shadow = answered.filter((pl.col("version") == version) & (pl.col("arm") == "shadow"))
        if not shadow.height and not any(self._shadowed(version)):
            return Counts(0, 0)
        waiting = seen.unpaired.get(str(version), {"key": [], "y": []})
        old = pl.DataFrame(waiting, schema={"key": pl.String, "y": pl.Float64})
        new = answered.filter(pl.col("version") == self._rollout.champion).select("key", "y")
        champion = pl.concat([old, new])
        both = shadow.join(champion, on="key", suffix="_champion")
        left = champion.join(shadow, on="key", how="anti").tail(UNPAIRED)
        seen.unpaired[str(version)] = left.to_dict(as_series=False)
        apart = (both["y"] - both["y_champion"]).abs() > self._tolerance
        return Counts(both.height, int(apart.sum()))

    def _shadowed(self, version: int) -> list[bool]:
        arms = self._project.endpoints.get(self._rollout.endpoint).arms
        return [arm.role == "shadow" for arm in arms if arm.version == version]

    @property
    def _tolerance(self) -> float:
        return self._rollout.spec.tolerance if self._schema.numeric else 0.0

    def _labels(self, seen: Seen, since: int) -> dict[int, Counts] | None:
        """Labelled and wrong answers of the stage by version; None when none is new."""
        endpoint = self._rollout.endpoint
        if not self._with_labels or time.monotonic() < self._labels_due:
            return None
        extent = self._project.log.extent(endpoint)
        if extent is None or extent.feedback_parts <= seen.feedback:
            return None
        self._labels_due = time.monotonic() + LABEL_SECONDS
        found = {v: Counts(0, 0) for v in (self._rollout.champion, *self._rollout.versions)}
        for _, frame in self._project.log.fresh(endpoint, since=since):
            answered = frame.filter(pl.col("error").is_null())
            labels = _single(self._project.log.codes(endpoint, answered["id"], self._schema))
            if self._rollout.spec.kind == "interleave":  # rows that nobody chose: no label, or 0
                apart = np.where(labels > 0, 0.0, self._tolerance + 1.0)
            elif self._schema.task == "bandit":  # an action that earned nothing was wrong
                apart = np.where(np.isfinite(labels), np.float64(labels <= 0), np.nan)
            else:
                apart = np.abs(_single(answer_codes(answered["y"], self._schema)) - labels)
            for version, before in found.items():
                known = apart[(answered["version"] == version).to_numpy() & np.isfinite(apart)]
                wrong = int((known > self._tolerance).sum())
                found[version] = Counts(before.n + len(known), before.hits + wrong)
        seen.feedback = extent.feedback_parts
        seen.labels = {str(v): (counts.n, counts.hits) for v, counts in found.items()}
        return found


def _single(codes: NDArray[np.float64]) -> NDArray[np.float64]:
    """One number for each row; several labels a row are the digits of a binary number."""
    return codes if codes.ndim == 1 else codes @ (2.0 ** np.arange(codes.shape[1]))


def _rows(frame: pl.DataFrame, version: int) -> Rows:
    """What one version answered."""
    mine = frame.filter(pl.col("version") == version)
    failed = mine.filter(pl.col("error").is_not_null())["request"].n_unique()
    answered = mine.filter(pl.col("error").is_null())
    return Rows(
        Counts(mine["request"].n_unique(), failed),
        answered.unique("request")["latency"].to_numpy(),
        answered["y"].drop_nulls().to_numpy(),
    )
