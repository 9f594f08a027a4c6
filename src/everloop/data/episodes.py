"""Playing episodes: to judge a policy by its return, and to see what the environment shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.environments import ACTION, Environment

Act = Callable[[NDArray[np.float64]], NDArray[np.int64]]

EXPLORED = 2_000  # rows of experience that stand for the data of a loop
LEARNING, CHOOSING, JUDGING = 0, 1_000_000, 2_000_000  # seeds of each purpose never meet
BETWEEN_SEEDS = 10_000_000


def seeds(purpose: int, count: int, seed: int) -> range:
    """Seeds of ``count`` episodes for a purpose; the same for every policy, so they compare."""
    first = purpose + seed * BETWEEN_SEEDS
    return range(first, first + count)


def returns(environment: Environment, act: Act, episodes: range) -> NDArray[np.float64]:
    """The sum of the rewards of each episode, one for each seed in ``episodes``.

    Parameters
    ----------
    act : codes of the actions for n rows of ``X``. Episodes are played side by side, so that one
        call answers for all that are still running. One that is not over after the environment's
        own limit of steps (1,000 if it has none) counts as it stands.
    """
    worlds = [environment.make() for _ in episodes]
    shown = [world.reset(seed=s)[0] for world, s in zip(worlds, episodes, strict=True)]
    total = np.zeros(len(worlds))
    running = list(range(len(worlds)))
    for _ in range(environment.max_steps):
        X = np.array([environment.observe(shown[i]) for i in running], dtype=np.float64)
        still = []
        for i, code in zip(running, act(X).tolist(), strict=True):
            shown[i], reward, ended, cut, _ = worlds[i].step(environment.action(code))
            total[i] += float(reward)
            if not (ended or cut):
                still.append(i)
        running = still
        if not running:
            break
    for world in worlds:
        world.close()
    return total


def explore(environment: Environment, seed: int, rows: int = EXPLORED) -> pl.DataFrame:
    """What random actions meet: the features, ``action``, ``reward`` and ``episode``."""
    features = environment.schema.features
    rng = np.random.default_rng(seed)
    world = environment.make()
    columns: dict[str, list[float]] = {f.name: [] for f in features}
    actions: list[int] = []
    rewards: list[float] = []
    numbers: list[int] = []
    episode = 0
    while len(actions) < rows:
        observation, _ = world.reset(seed=LEARNING + seed * BETWEEN_SEEDS + episode)
        for _ in range(environment.max_steps):
            for feature, value in zip(features, environment.observe(observation), strict=True):
                columns[feature.name].append(value)
            code = int(rng.integers(environment.actions))
            observation, reward, ended, cut, _ = world.step(environment.action(code))
            actions.append(code)
            rewards.append(float(reward))
            numbers.append(episode)
            if ended or cut:
                break
        episode += 1
    world.close()
    shown = [
        pl.Series(f.name, [f.levels[int(v)] for v in columns[f.name]])
        if f.kind == "category"
        else pl.Series(f.name, columns[f.name])
        for f in features
    ]
    return pl.DataFrame([*shown, pl.Series(ACTION, actions)]).with_columns(
        pl.Series("reward", rewards), pl.Series("episode", numbers)
    )
