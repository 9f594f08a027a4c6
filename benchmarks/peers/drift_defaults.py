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
    """The tests of DataDriftPreset as it chooses them, without its charts (seconds a window)."""
    from evidently.legacy.calculations.stattests import get_stattest
    from evidently.legacy.core import ColumnType

    kinds = [ColumnType.Numerical] * len(NUMBERS) + [ColumnType.Categorical] * len(CATEGORIES)
    scores, alarms = [], []
    for frame in frames:
        found = []
        for name, kind in zip(FEATURES, kinds, strict=True):
            before, now = reference[name], frame[name]
            test = get_stattest(before, now, kind, None)
            value, alarm = test.func(before, now, kind, test.default_threshold)
            # A p-value is small where a distance is large.
            small = test.display_name.endswith("p_value")
            found.append((-value if small else value, alarm))
        scores.append([value for value, _ in found])
        alarms.append([alarm for _, alarm in found])
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
