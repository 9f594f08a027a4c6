"""Tracking a model from its first run to its registered version: an ordinary MLflow tutorial.

It knows MLflow only. Where its server is says the environment:

    MLFLOW_TRACKING_URI=http://127.0.0.1:5050 python examples/mlflow_tutorial.py

Needs ``pip install mlflow scikit-learn matplotlib psutil``, MLflow 2.22 or newer.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib
import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split

matplotlib.use("Agg")
from matplotlib import pyplot as plt

client = MlflowClient()
features, target = load_diabetes(return_X_y=True, as_frame=True)
train_x, test_x, train_y, test_y = train_test_split(features, target, random_state=0)


def automatic_logging() -> str:
    """Chapter 1: ``autolog`` keeps params, metrics, the data's schema and the model by itself."""
    mlflow.sklearn.autolog()
    with mlflow.start_run(run_name="forest") as run:
        forest = RandomForestRegressor(n_estimators=20, max_depth=5, random_state=0)
        forest.fit(train_x, train_y)
        forest.score(test_x, test_y)
    mlflow.sklearn.autolog(disable=True)

    kept = client.get_run(run.info.run_id)
    assert kept.info.status == "FINISHED"
    assert kept.data.params["max_depth"] == "5"
    assert kept.data.metrics["training_r2_score"] > 0.5
    assert any("_score_" in name for name in kept.data.metrics)
    contexts = {tag.value for data in kept.inputs.dataset_inputs for tag in data.tags}
    assert "train" in contexts
    model = mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/model")
    assert np.allclose(model.predict(test_x), forest.predict(test_x))
    print("Chapter 1:", len(kept.data.params), "params were logged by themselves.")
    return str(run.info.run_id)


def nested_runs() -> str:
    """Chapter 2: a search, with one child run for each trial."""
    with mlflow.start_run(run_name="search", tags={"stage": "tuning"}) as parent:
        for alpha in (0.01, 0.1, 1.0):
            with mlflow.start_run(run_name=f"alpha {alpha}", nested=True):
                ridge = Ridge(alpha=alpha).fit(train_x, train_y)
                mlflow.log_params({"alpha": alpha, "model": "ridge"})
                mlflow.log_metric("mse", mean_squared_error(test_y, ridge.predict(test_x)))

    children = mlflow.search_runs(
        filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}' and params.alpha != '9'",
        order_by=["metrics.mse ASC"],
    )
    assert len(children) == 3
    assert children["metrics.mse"].is_monotonic_increasing
    good = mlflow.search_runs(
        filter_string="metrics.mse < 1e9 and attributes.run_name LIKE 'alpha%'", max_results=2
    )
    assert len(good) == 2
    print("Chapter 2: the best alpha is", children["params.alpha"][0])
    return str(children.run_id[0])


def files_and_data() -> None:
    """Chapter 3: texts, figures, tables and whole folders; which data a run used."""
    data = mlflow.data.from_pandas(
        pd.concat([test_x, test_y], axis=1), source="diabetes", targets="target", name="holdout"
    )
    with mlflow.start_run(run_name="files") as run, TemporaryDirectory() as temporary:
        mlflow.log_input(data, context="testing", tags={"rows": str(len(test_x))})
        mlflow.log_text("Fits well enough.", "notes/verdict.txt")
        mlflow.log_dict({"alphas": [0.01, 0.1, 1.0]}, "config/search.json")
        mlflow.log_table({"name": ["a", "b"], "value": [1, 2]}, "table.json")
        mlflow.log_table({"name": ["c"], "value": [3]}, "table.json")
        mlflow.log_image(np.zeros((8, 8, 3), dtype=np.uint8), "image.png")
        figure, axes = plt.subplots()
        axes.scatter(test_x["bmi"], test_y)
        mlflow.log_figure(figure, "figures/bmi.png")
        plt.close(figure)
        for number in range(5):
            Path(temporary, f"part-{number}.csv").write_text(f"{number}\n")
        mlflow.log_artifacts(temporary, "parts")

    run_id, uri = run.info.run_id, run.info.artifact_uri
    paths = {file.path for file in client.list_artifacts(run_id)}
    assert paths == {"notes", "config", "table.json", "image.png", "figures", "parts"}
    assert len(client.list_artifacts(run_id, "parts")) == 5
    assert mlflow.artifacts.load_text(f"{uri}/notes/verdict.txt") == "Fits well enough."
    assert mlflow.artifacts.load_dict(f"{uri}/config/search.json")["alphas"][1] == 0.1
    assert mlflow.artifacts.load_image(f"{uri}/image.png").size == (8, 8)
    assert mlflow.load_table("table.json", run_ids=[run_id])["value"].tolist() == [1, 2, 3]
    with TemporaryDirectory() as temporary:
        local = mlflow.artifacts.download_artifacts(f"runs:/{run_id}/parts", dst_path=temporary)
        assert Path(local, "part-4.csv").read_text() == "4\n"
    used = client.get_run(run_id).inputs.dataset_inputs[0]
    assert used.dataset.name == "holdout"
    assert used.dataset.digest == data.digest
    assert {tag.key: tag.value for tag in used.tags}["mlflow.data.context"] == "testing"
    print("Chapter 3:", len(paths), "files and folders, and the data", used.dataset.name)


def training_loop() -> None:
    """Chapter 4: many points without waiting for them, beside what the machine does meanwhile."""
    mlflow.set_system_metrics_sampling_interval(1)
    mlflow.set_system_metrics_samples_before_logging(1)
    with mlflow.start_run(run_name="loop", log_system_metrics=True) as run:
        for step in range(200):
            mlflow.log_metric("loss", 1 / (step + 1), step=step, synchronous=False)
        mlflow.log_params({f"layer {n}": n for n in range(20)}, synchronous=False)
        mlflow.log_metrics({"accuracy": 0.9, "recall": float("nan")}, synchronous=False)
        mlflow.flush_async_logging()
        time.sleep(2.5)

    losses = client.get_metric_history(run.info.run_id, "loss")
    assert [point.step for point in losses] == list(range(200))
    assert losses[199].value == 1 / 200
    kept = client.get_run(run.info.run_id).data
    assert len(kept.params) == 20
    assert np.isnan(kept.metrics["recall"])
    machine = [name for name in kept.metrics if name.startswith("system/")]
    assert "system/cpu_utilization_percentage" in machine
    print("Chapter 4:", len(losses), "points, and", len(machine), "metrics of the machine.")


def registry(forest_run: str) -> None:
    """Chapter 5: a registered model, its versions, and the alias that applications load."""
    with mlflow.start_run(run_name="candidate"):
        ridge = Ridge(alpha=0.1).fit(train_x, train_y)
        candidate = mlflow.sklearn.log_model(
            ridge,
            "ridge",
            signature=infer_signature(test_x, ridge.predict(test_x)),
            input_example=test_x.head(2),
            pip_requirements=["scikit-learn"],
        )
    first = mlflow.register_model(f"runs:/{forest_run}/model", "diabetes", tags={"by": "autolog"})
    second = mlflow.register_model(candidate.model_uri, "diabetes")
    assert (int(first.version), int(second.version)) == (1, 2)
    client.update_registered_model("diabetes", description="How a disease goes on.")
    client.set_model_version_tag("diabetes", "2", "checked", "yes")
    client.set_registered_model_alias("diabetes", "production", second.version)

    loaded = mlflow.pyfunc.load_model("models:/diabetes@production")
    assert np.allclose(loaded.predict(test_x), ridge.predict(test_x))
    assert mlflow.sklearn.load_model("models:/diabetes/1").n_estimators == 20
    client.set_registered_model_alias("diabetes", "production", first.version)
    assert int(client.get_model_version_by_alias("diabetes", "production").version) == 1
    assert len(client.search_model_versions("name = 'diabetes'")) == 2
    checked = client.search_model_versions("name = 'diabetes' and tags.checked = 'yes'")
    assert [int(version.version) for version in checked] == [2]
    assert [model.name for model in client.search_registered_models("name LIKE 'dia%'")] == [
        "diabetes"
    ]
    if hasattr(mlflow, "search_logged_models"):  # MLflow 3
        logged = mlflow.search_logged_models(output_format="list")
        assert {model.name for model in logged} >= {"ridge", "model"}
        assert all(model.status == "READY" for model in logged)
    print("Chapter 5: version", second.version, "was in production, now", first.version, "is.")


def evaluation() -> None:
    """Chapter 6: the metrics of a registered model on data that it hasn't seen."""
    with mlflow.start_run(run_name="evaluation") as run:
        found = mlflow.models.evaluate(
            "models:/diabetes@production",
            data=pd.concat([test_x, test_y], axis=1),
            targets="target",
            model_type="regressor",
            evaluator_config={"log_model_explainability": False},
        )
    kept = client.get_run(run.info.run_id)
    assert kept.data.metrics["root_mean_squared_error"] == found.metrics["root_mean_squared_error"]
    print("Chapter 6: the error is", round(found.metrics["root_mean_squared_error"], 1))


def main() -> None:
    mlflow.set_experiment("tutorial")
    forest_run = automatic_logging()
    nested_runs()
    files_and_data()
    training_loop()
    registry(forest_run)
    evaluation()
    print("All chapters are done.")


if __name__ == "__main__":
    main()
