"""What stands beside everloop in benchmarks/drift.py: the drift of two tables, once.

Run by that benchmark in an environment of its own, on one core: python drift_libraries.py PEER
FOLDER. Prints JSON: what was computed, with the seconds and the MB above the tables it took.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np

warnings.filterwarnings("ignore")


def tables(folder):
    """Both sides: numbers, rows by columns, and codes of categories."""
    return [
        (np.load(f"{folder}/{side}.npy"), np.load(f"{folder}/{side}_codes.npy"))
        for side in ("before", "now")
    ]


def measured(what, work):
    """Seconds by the clock and of the processor, and the peak of memory above what was there
    (Linux). On a machine with other work the processor's seconds are those to compare."""
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    began, worked = time.perf_counter(), time.process_time()
    work()
    seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    return {"what": what, "seconds": seconds, "cpu": cpu, "mb": memory("VmHWM") - before}


def memory(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def frames(sides):
    import pandas as pd

    made = []
    for numbers, codes in sides:
        columns = {f"x{i}": numbers[:, i] for i in range(numbers.shape[1])}
        columns |= {
            f"c{i}": np.array([f"level {k}" for k in range(20)], dtype=object)[codes[:, i]]
            for i in range(codes.shape[1])
        }
        made.append(pd.DataFrame(columns))
    return made


def evidently(sides):
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    before, now = frames(sides)
    numbers = [name for name in before.columns if name.startswith("x")]
    categories = [name for name in before.columns if name.startswith("c")]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=categories)

    def work():
        a = Dataset.from_pandas(before, data_definition=definition)
        b = Dataset.from_pandas(now, data_definition=definition)
        Report([DataDriftPreset()]).run(b, a).dict()

    yield measured("Evidently, its preset", work)


def nannyml(sides):
    import nannyml as nml

    before, now = frames(sides)
    categories = [name for name in before.columns if name.startswith("c")]
    of_numbers = ["jensen_shannon", "kolmogorov_smirnov", "wasserstein"]
    for what, methods in (("Jensen-Shannon", of_numbers[:1]), ("three statistics", of_numbers)):

        def work(methods=methods):
            made = nml.UnivariateDriftCalculator(
                column_names=list(before.columns),
                treat_as_categorical=categories,
                continuous_methods=methods,
                categorical_methods=["jensen_shannon"],
                chunk_number=1,
            ).fit(before)
            made.calculate(now).to_df()

        yield measured(f"NannyML, {what}", work)


def alibi(sides):
    from alibi_detect.cd import ChiSquareDrift, KSDrift

    (before, codes_before), (now, codes_now) = sides
    missing = np.isnan(before).any() or np.isnan(now).any()

    def known(column):
        return column[~np.isnan(column)][:, None]

    def work():
        if missing:  # of which it makes nothing: the p-value of such a column is NaN
            for a, b in zip(before.T, now.T, strict=True):
                KSDrift(known(a)).predict(known(b))
        else:
            KSDrift(before).predict(now)
        if codes_before.shape[1]:
            ChiSquareDrift(codes_before).predict(codes_now)

    yield measured("alibi-detect, KS", work)


PEERS = {"evidently": evidently, "nannyml": nannyml, "alibi-detect": alibi}

if __name__ == "__main__":
    for found in PEERS[sys.argv[1]](tables(sys.argv[2])):
        print(json.dumps(found), flush=True)
