"""The ``[train]`` section of a loop file."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from everloop.data.schema import Tokens

ENSEMBLE = "ensemble"  # the name of a mean of a search's trials


class SearchSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How long to look for better hyper-parameters, and how; nothing given keeps the defaults."""

    trials: int | None = None  # of the study over all candidates; 0 keeps the defaults
    timeout: str | None = None  # of the search as a whole; 10m unless something else bounds it
    max_cost: float | None = None  # hours of all workers times cost_per_hour
    cost_per_hour: float = 1.0  # of one worker
    sampler: str = "tpe"  # random, grid, tpe, multivariate_tpe, gp, cmaes, sobol, population
    pruner: str = "median"  # none, median, hyperband
    workers: int = 1  # trials at the same time; 0 takes one for each core
    executor: str = ""  # processes or ray; inline when there is one worker
    early_stopping: bool = True  # where the algorithm allows it

    @property
    def asked(self) -> bool:
        """Whether there is anything to search for."""
        if self.trials is None:
            return self.timeout is not None or self.max_cost is not None
        return self.trials > 0


class PrepareSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How columns are prepared before any candidate sees them; the defaults change nothing.

    It is learned on training rows alone, again in every validation part, and travels inside the
    model. What is left at its default is done by each candidate in its own way.
    """

    # what replaces a missing number; auto: as each candidate does
    missing: Literal["auto", "median", "mean", "most_frequent", "knn", "iterative"] = "auto"
    indicator: bool = False  # a 0/1 column beside each column that had missing values
    # winsorise and robust: of numbers; flag: a column of its own; drop: training rows alone
    outliers: Literal["none", "winsorise", "robust", "flag", "drop"] = "none"
    tail: float = 0.01  # share of a column's values beyond each bound, or of the rows flagged
    # how they become numbers; auto: as each candidate does
    categories: Literal["auto", "one_hot", "ordinal", "target"] = "auto"
    rare: float = 0.0  # levels with a smaller share of the rows become one level
    # cyclic: sine and cosine of month, weekday and hour
    dates: Literal["parts", "cyclic"] = "parts"
    # tfidf: weights of words; hashing: of hashed words; embeddings: by a small language model
    text: Literal["tfidf", "hashing", "embeddings"] = "tfidf"
    # which features to leave out, one method after another
    select: tuple[
        Literal["variance", "correlation", "mutual_information", "l1", "recursive", "permutation"],
        ...,
    ] = ()
    max_features: int | None = None  # that a selection keeps at most

    @property
    def tokens(self) -> Tokens:
        """What texts are read as."""
        words: dict[str, Tokens] = {"hashing": "hashed", "embeddings": "pieces"}
        return words.get(self.text, "words")


class ValidationSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which training rows choose between candidates, parameters and thresholds.

    ``auto`` takes later rows where there is a time, whole groups where rows are divided by groups,
    else five parts with the same share of each class (one part of 2,000 rows and more). Parts of
    ``holdout``, ``k_fold`` and ``grouped`` follow from a row's hash: new rows move no old one.
    """

    kind: Literal["auto", "holdout", "k_fold", "stratified", "grouped", "forward", "nested"] = (
        "auto"  # nested: parts within parts, so that choosing itself is judged
    )
    folds: int = 5  # parts that take turns, or stretches of time
    outer: int = 5  # of nested: parts that judge the whole choice
    share: float = 0.2  # of holdout: the rows set aside, the latest where there is a time
    gap: str | None = None  # before rows that validate by time; evaluate.gap unless given


class LimitSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What each step of a cycle that computes may take before its process is ended.

    One that crashed or was ended is begun again after a pause; ``attempts`` times in all.
    """

    time: str = "1d"  # of one step
    memory: str = ""  # of its process and those it starts, as "8GB"; what is free unless given
    attempts: int = 3  # before the cycle fails, with an alert


class TrainSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which models are tried; an empty list takes the default of the task."""

    candidates: tuple[str, ...] = ()  # names of algorithms, or "module:Class" of your own
    search: SearchSpec = SearchSpec()
    device: str = "auto"  # of networks: auto (a GPU when there is one), cpu, cuda, cuda:0, mps
    # of the best trials of a search, when it is better than each alone; for classes and numbers
    ensemble: bool = True
    space: dict[str, dict[str, Any]] = {}  # by candidate: values, lists or ranges of parameters
    validation: ValidationSpec = ValidationSpec()
    prepare: PrepareSpec = PrepareSpec()
    calibrate: Literal["none", "auto", "platt", "isotonic"] = "none"  # of probabilities
    # of the second of two classes, or of every label; chosen on validation rows: "metric" by
    # evaluate.metric, "cost" by what [evaluate.cost] says in money
    threshold: float | str = 0.5
    explore: float = 0.05  # of a bandit: the share of requests that any action may answer
    limits: LimitSpec = LimitSpec()  # what a step may take, and how often it is tried
    base: str = ""  # a registered version to start from, as "model/3"; empty: from nothing
    # what is served: train: the model that was tested; all: the same once more, fitted on the rows
    # that tested it too
    refit: Literal["train", "all"] = "train"

    def alone(self, candidate: str) -> TrainSpec:
        """The same for one candidate, whose parameters are given: without a search."""
        return msgspec.structs.replace(self, candidates=(candidate,), search=SearchSpec(), space={})
