"""Policies: they learn, they choose alike in Python and in ONNX, and bad environments are named."""

from __future__ import annotations

import numpy as np
import onnxruntime
import polars as pl
import pytest

from everloop.data.environments import Environment
from everloop.data.episodes import JUDGING, explore, returns, seeds
from everloop.errors import InvalidInput
from everloop.train.onnx import to_onnx
from everloop.train.policies.fit import fit_policies
from everloop.train.policies.linear import LinearPolicy
from everloop.train.policies.table import QTable
from everloop.train.spec import SearchSpec, TrainSpec


def earned(environment: Environment, policy: QTable | LinearPolicy, episodes: int = 200) -> float:
    return float(returns(environment, policy.predict, seeds(JUDGING, episodes, 0)).mean())


def onnx_labels(policy: QTable | LinearPolicy, environment: Environment, X: np.ndarray) -> list:
    session = onnxruntime.InferenceSession(to_onnx(policy, environment.schema, X))
    label, probabilities = session.run(["label", "probabilities"], {"X": X})
    assert (probabilities.argmax(axis=1) == label).all()
    return label.tolist()


def test_a_table_finds_the_way_over_the_ice() -> None:
    lake = Environment("FrozenLake-v1", {"is_slippery": False})
    policy = QTable(episodes=2_000, explore=0.9).learn(lake)
    assert earned(lake, policy) == 1.0
    states = np.arange(-1.0, 16.0)[:, None]
    assert onnx_labels(policy, lake, states) == policy.predict(states).tolist()


def test_the_same_seed_learns_the_same_table() -> None:
    lake = Environment("FrozenLake-v1")
    first, second = (QTable(episodes=300, random_state=3).learn(lake) for _ in range(2))
    other = QTable(episodes=300, random_state=4).learn(lake)
    assert np.array_equal(first.values_, second.values_)
    assert not np.array_equal(first.values_, other.values_)


def test_learning_ends_with_its_steps() -> None:
    cliff = Environment("CliffWalking-v1", {"max_episode_steps": 50})
    QTable(episodes=10**9, steps=500).learn(cliff)


def test_several_whole_numbers_make_one_state() -> None:
    table = Environment("Blackjack-v1")
    assert table.schema.names == ("state_0", "state_1", "state_2")
    policy = QTable(episodes=3_000).learn(table)
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, n, 10_000) for n in (32, 11, 2)]).astype(float)
    assert onnx_labels(policy, table, X) == policy.predict(X).tolist()
    assert len(set(policy.predict(X).tolist())) == 2


def test_a_linear_policy_balances_the_pole() -> None:
    pole = Environment("CartPole-v1", {"max_episode_steps": 200})
    policy = LinearPolicy(rounds=6, draws=16, episodes=2).learn(pole)
    assert earned(pole, policy, 50) > 150
    X = np.random.default_rng(0).normal(size=(10_000, 4))
    X[:50, 1] = np.nan
    assert onnx_labels(policy, pole, X) == policy.predict(X).tolist()


def test_a_linear_policy_learns_where_hardly_any_draw_earns_a_reward() -> None:
    lake = Environment("FrozenLake-v1", {"is_slippery": False})
    assert earned(lake, LinearPolicy(rounds=10, episodes=1).learn(lake), 5) == 1.0


def test_real_numbers_are_cut_into_bins() -> None:
    pole = Environment("CartPole-v1", {"max_episode_steps": 200})
    policy = QTable(episodes=100, bins=4).learn(pole)
    X = np.random.default_rng(0).normal(size=(10_000, 4))
    X[::7, 2] = np.nan
    assert onnx_labels(policy, pole, X) == policy.predict(X).tolist()


def test_random_actions_are_in_the_table_and_the_best_comes_first() -> None:
    lake = Environment("FrozenLake-v1", {"is_slippery": False, "map_name": "4x4"})
    said: list[str] = []
    fitted = fit_policies(
        lake,
        TrainSpec(candidates=("cross_entropy", "q_learning")),
        0,
        lambda stage, facts: said.append(f"{stage} {facts['candidate']}"),
    )
    assert [f.name for f in fitted][-1] == "random"
    assert fitted[0].score == 1.0
    assert fitted[-1].score is not None and fitted[-1].score < 0.1
    assert said == ["candidate cross_entropy", "candidate q_learning"]


def test_experience_shows_states_actions_and_rewards() -> None:
    seen = explore(Environment("FrozenLake-v1"), seed=0, rows=300)
    assert seen.columns == ["state", "action", "reward", "episode"]
    assert seen.height >= 300
    assert set(seen["state"]) <= {str(i) for i in range(16)}
    assert seen.equals(explore(Environment("FrozenLake-v1"), seed=0, rows=300))
    assert seen["action"].value_counts()["count"].min() > 40
    assert seen.filter(pl.col("reward") > 0)["state"].is_in(["14"]).all()


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("FrozenLak-v1", {}, 'Did you mean "FrozenLake-v1"?'),
        ("FrozenLake-v1", {"map_nam": "4x4"}, "data.environment_arguments"),
        ("Pendulum-v1", {}, "discrete actions"),
    ],
)
def test_an_environment_that_will_not_do(name: str, arguments: dict, says: str) -> None:
    with pytest.raises(InvalidInput, match=r"data\.environment") as refused:
        Environment(name, arguments)
    assert says in str(refused.value)


def test_a_candidate_for_rows_is_refused() -> None:
    with pytest.raises(InvalidInput, match="a candidate for policy: cross_entropy, q_learning"):
        fit_policies(
            Environment("FrozenLake-v1"), TrainSpec(candidates=("lightgbm",)), 0, lambda *_: None
        )


def test_a_search_over_policies_tries_parameters_and_keeps_the_best(tmp_path) -> None:
    lake = Environment("FrozenLake-v1", {"is_slippery": False})
    space = {"q_learning": {"episodes": 400, "epsilon": [0.01, 0.9]}}
    spec = TrainSpec(("q_learning",), SearchSpec(trials=4), space=space)
    seen: list[tuple[str, dict]] = []
    told = lambda stage, facts: seen.append((stage, facts))  # noqa: E731
    best, floor = fit_policies(lake, spec, 0, told, study=tmp_path / "s.jsonl")
    trials = [facts for stage, facts in seen if stage == "trial"]
    assert len(trials) == 4 and {t["params"]["episodes"] for t in trials} == {400}
    assert best.score == max(t["score"] for t in trials) and floor.name == "random"
    seen.clear()
    again = fit_policies(lake, spec, 0, told, study=tmp_path / "s.jsonl")[0]
    assert again.params == best.params and not [s for s, _ in seen if s == "trial"]
    with pytest.raises(InvalidInput, match=r"train\.search\.workers.*1 where a policy learns"):
        fit_policies(lake, TrainSpec(("q_learning",), SearchSpec(trials=2, workers=2)), 0, told)
