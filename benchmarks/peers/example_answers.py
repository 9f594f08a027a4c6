"""What NannyML and Evidently say of their own example data, for benchmarks/example_data.py.

Run by that benchmark in an environment of its own: python example_answers.py PEER FOLDER. NannyML
first writes the tables that its wheel has, NAME.before.parquet and NAME.now.parquet; both print
JSON, by table and column: whether it drifted, and what was found.
"""

import json
import sys
import warnings
from pathlib import Path

import pandas as pd

warnings.filterwarnings("ignore")

CHUNKS = 10  # of each side, as NannyML's guides have them
# Ids, times, labels that only one side has, and free text.
LEFT_OUT = {"id", "timestamp", "period", "clf_target", "y_true", "repaid", "work_home_actual",
            "PassengerId", "Name", "Ticket", "Cabin", "boat", "body", "home.dest",
            "Survived"}  # fmt: skip


def tables(folder):
    for before in sorted(Path(folder).glob("*.before.parquet")):
        name = before.name.split(".")[0]
        now = before.with_name(f"{name}.now.parquet")
        yield name, pd.read_parquet(before), pd.read_parquet(now)


def bring(folder):
    """The example data of NannyML's wheel."""
    import nannyml.datasets as there

    for name, load in (
        ("car_loan", there.load_synthetic_car_loan_dataset),
        ("credit_cards", there.load_synthetic_multiclass_classification_dataset),
        ("car_price", there.load_synthetic_car_price_dataset),
        ("housing", there.load_modified_california_housing_dataset),
        ("titanic", there.load_titanic_dataset),
    ):
        before, now, *_ = load()
        both = [c for c in before.columns if c in now.columns and c not in LEFT_OUT]
        truth = [c for c in both if before[c].dtype == bool]  # which Evidently cannot subtract
        for side, frame in (("before", before), ("now", now)):
            frame = frame[both].astype(dict.fromkeys(truth, str))
            frame.to_parquet(f"{folder}/{name}.{side}.parquet")


def bring_iris(folder):
    """What Evidently's first steps compare: a flower table, its first 60 rows and the others."""
    from sklearn.datasets import load_iris

    frame = load_iris(as_frame=True).frame
    frame.iloc[:60].to_parquet(f"{folder}/iris.before.parquet")
    frame.iloc[60:].to_parquet(f"{folder}/iris.now.parquet")


def nannyml(folder):
    import nannyml as nml

    bring(folder)
    for name, before, now in tables(folder):
        texts = [c for c in before.columns if before[c].dtype == object]
        made = nml.UnivariateDriftCalculator(
            column_names=list(before.columns),
            treat_as_categorical=texts,
            chunk_number=CHUNKS,
        ).fit(before)
        found = made.calculate(now).filter(period="analysis").to_df()
        for column in before.columns:
            alerts = int(found[(column, "jensen_shannon", "alert")].sum())
            yield name, column, alerts > 0, f"{alerts} of {CHUNKS} chunks"


def evidently(folder):
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    bring_iris(folder)
    for name, before, now in tables(folder):
        texts = [c for c in before.columns if before[c].dtype == object]
        numbers = [c for c in before.columns if c not in texts]
        asked = DataDefinition(numerical_columns=numbers, categorical_columns=texts)
        sides = [Dataset.from_pandas(side, data_definition=asked) for side in (now, before)]
        told = Report([DataDriftPreset()]).run(*sides).dict()
        for metric in told["metrics"]:
            config = metric.get("config") or metric.get("params") or {}
            column = config.get("column")
            if column is None:
                continue
            value, limit = float(metric["value"]), float(config.get("threshold") or 0.05)
            small = "p_value" in config.get("method", "")
            yield name, column, value < limit if small else value >= limit, f"{value:.3g}"


if __name__ == "__main__":
    peer = {"nannyml": nannyml, "evidently": evidently}[sys.argv[1]]
    for table, column, drifted, said in peer(sys.argv[2]):
        print(json.dumps([table, column, bool(drifted), said]), flush=True)
