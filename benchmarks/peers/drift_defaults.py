"""What stands beside everloop in benchmarks/false_alarms.py, each with the defaults it comes with.

Run by that benchmark in an environment of its own: python drift_defaults.py PEER JSON OUT, where
JSON lists (case, seed, windows) and OUT gets, for each, arrays of windows by features: ``score``
(larger is more drift) and ``alarm``.
"""

import json
import sys
import time
import warnings

import numpy as np
import pandas as pd
from drifting import CATEGORIES, FEATURES, NUMBERS, table

warnings.filterwarnings("ignore")


def evidently(reference, frames):
    """DataDriftPreset: Wasserstein for numbers, Jensen-Shannon for categories, each above 0.1."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(numerical_columns=NUMBERS, categorical_columns=CATEGORIES)
    before = Dataset.from_pandas(reference, data_definition=definition)
    scores, alarms = [], []
    for frame in frames:
        now = Dataset.from_pandas(frame, data_definition=definition)
        found = Report([DataDriftPreset()]).run(now, before).dict()["metrics"]
        values, thresholds = {}, {}
        for metric in found:
            config = metric["config"]
            if "column" in config:
                values[config["column"]] = float(metric["value"])
                thresholds[config["column"]] = (config["method"], float(config["threshold"]))
        row = [values[name] for name in FEATURES]
        # A p-value is small where a distance is large.
        small = [thresholds[name][0].endswith("p_value") for name in FEATURES]
        limit = [thresholds[name][1] for name in FEATURES]
        scores.append([-v if s else v for v, s in zip(row, small, strict=True)])
        alarms.append([v < t if s else v >= t for v, s, t in zip(row, small, limit, strict=True)])
    return scores, alarms


def nannyml(reference, frames):
    """Univariate drift: Jensen-Shannon per chunk, beyond three standard deviations."""
    import nannyml as nml

    rows = len(frames[0])
    made = nml.UnivariateDriftCalculator(
        column_names=FEATURES, treat_as_categorical=CATEGORIES, chunk_size=rows
    ).fit(reference)
    found = made.calculate(pd.concat(frames, ignore_index=True)).filter(period="analysis").to_df()
    scores = [found[(name, "jensen_shannon", "value")].to_numpy() for name in FEATURES]
    alarms = [found[(name, "jensen_shannon", "alert")].to_numpy() for name in FEATURES]
    return np.array(scores, dtype=float).T, np.array(alarms, dtype=bool).T


def main():
    peer = {"evidently": evidently, "nannyml": nannyml}[sys.argv[1]]
    asked = json.loads(sys.argv[2])
    found = {}
    for i, (case, seed, windows) in enumerate(asked["runs"]):
        began = time.perf_counter()
        reference = pd.DataFrame(table(case, seed, 0, asked["reference"]))
        frames = [
            pd.DataFrame(table(case, seed, at, asked["rows"])) for at in range(1, windows + 1)
        ]
        scores, alarms = peer(reference, frames)
        found[f"score{i}"] = np.asarray(scores, dtype=float)
        found[f"alarm{i}"] = np.asarray(alarms, dtype=bool)
        print(f"{sys.argv[1]} {case} {seed}: {time.perf_counter() - began:.1f} s", flush=True)
        np.savez(sys.argv[3], **found)


main()
