"""Several models as one: ensembles, chains and routers, held against what their members answer."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from skl2onnx import to_onnx
from sklearn.linear_model import LinearRegression, LogisticRegression

import everloop as el
from everloop.errors import EverloopError
from everloop.loop.answers import PackagedModel
from everloop.loop.project import Project

X = np.random.default_rng(0).normal(size=(100, 2))
FRAME = pl.DataFrame({"a": X[:, 0], "b": X[:, 1]})


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """sum and gap: numbers; yes1 and yes2: classes; twice: of the answer of sum, and b."""
    folder = tmp_path_factory.mktemp("members")
    made = {
        "sum": LinearRegression().fit(X, X @ [1, 1]),
        "gap": LinearRegression().fit(X, X @ [1, -1]),
        "twice": LinearRegression().fit(X, X @ [2, 0.5]),
        "yes1": LogisticRegression().fit(X, np.where(X[:, 0] > 0, "yes", "no")),
        "yes2": LogisticRegression().fit(X, np.where(X[:, 1] > 0, "yes", "no")),
        "yes3": LogisticRegression().fit(X, np.where(X[:, 1] > 1, "yes", "no")),
    }
    for name, model in made.items():
        path = folder / f"{name}.onnx"
        path.write_bytes(to_onnx(model, X[:1].astype(np.float32)).SerializeToString())
        features = ["sum", "b"] if name == "twice" else ["a", "b"]
        el.register(path, name, dir=folder, features=features, target=name)
    return folder


def graph(folder, text, name="graph"):
    (folder / f"{name}.toml").write_text("[graph]\n" + text)
    version = el.register(folder / f"{name}.toml", name, dir=folder)
    return answers(folder, f"{name}/{version.version}")


def answers(folder, reference):
    with Project.open(folder) as project:
        model = PackagedModel(*project.package(project.registry.resolve(reference)))
        names = [n for n in model.package.schema.names if n in FRAME.columns]
        assert names == list(model.package.schema.names)
        return model.answers(FRAME)


def test_means_are_those_of_the_members(members) -> None:
    got = graph(members, 'kind = "mean"\nmodels = ["sum/1", "gap/1"]').pred
    assert np.allclose(got, X[:, 0], atol=1e-5)
    got = graph(members, 'kind = "mean"\nmodels = ["sum/1", "gap/1"]\nweights = [3, 1]').pred
    assert np.allclose(got, X[:, 0] + 0.5 * X[:, 1], atol=1e-5)
    one, two = (answers(members, f"yes{i}/1").proba for i in (1, 2))
    got = graph(members, 'kind = "mean"\nmodels = ["yes1/1", "yes2/1"]').proba
    assert np.allclose(got, (one + two) / 2)


def test_votes_are_counted(members) -> None:
    got = graph(members, 'kind = "vote"\nmodels = ["yes1/1", "yes2/1", "yes3/1"]')
    votes = np.sum([answers(members, f"yes{i}/1").pred for i in (1, 2, 3)], axis=0)
    assert got.pred.tolist() == (votes >= 2).astype(int).tolist()
    assert np.allclose(got.proba[:, 1], votes / 3)


def test_a_chain_hands_answers_on(members) -> None:
    got = graph(members, 'kind = "chain"\nmodels = ["sum/1", "twice/1"]').pred
    assert np.allclose(got, 2 * X.sum(axis=1) + 0.5 * X[:, 1], atol=1e-4)


def test_a_router_asks_one_model_a_row(members) -> None:
    rule = '[[graph.rules]]\ncolumn = "a"\nbelow = 0.0\nmodel = "sum/1"'
    text = f'kind = "route"\notherwise = "gap/1"\n{rule}'
    got = graph(members, text).pred
    wanted = np.where(X[:, 0] < 0, X.sum(axis=1), X[:, 0] - X[:, 1])
    assert np.allclose(got, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('kind = "mean"\nmodels = ["sum/1"]', "two at least"),
        ('kind = "mean"\nmodels = ["sum/1", "yes1/1"]', "one task"),
        ('kind = "vote"\nmodels = ["sum/1", "gap/1"]', "mean, for numbers"),
        ('kind = "chain"\nmodels = ["sum/1", "gap/1"]', "which is not used"),
        ('kind = "mean"\nmodels = ["sum/1", "gap/1"]\nweights = [1]', "a positive one for each"),
        ('kind = "mean"\nmodels = ["sum/1", "gone/1"]', "gone"),
        ('kind = "max"\nmodels = ["sum/1", "gap/1"]', "no graph of models"),
        ('kind = "route"\nmodels = ["sum/1"]', "rules before it"),
    ],
)
def test_what_does_not_fit_together_is_refused(members, text, reason) -> None:
    with pytest.raises(EverloopError, match=reason):
        graph(members, text, "refused")
