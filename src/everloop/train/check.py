"""Reading the ``[train]`` section: which candidates are meant, and whether they can do the task."""

from __future__ import annotations

import re

from everloop.data.schema import Task
from everloop.errors import did_you_mean, invalid
from everloop.extensions import candidates, pruners, samplers, trial_workers
from everloop.train.bases import parse_base
from everloop.train.bounds import check_search
from everloop.train.candidates._base import Candidate
from everloop.train.candidates.own import own_candidate
from everloop.train.loading import is_reference
from everloop.train.spec import ENSEMBLE, PrepareSpec, SearchSpec, TrainSpec

CLASSIFIED: tuple[Task, ...] = ("binary", "multiclass", "multilabel", "bandit")
# whose held-out rows say all that rows which train say
REFITTED: tuple[Task, ...] = (
    "binary", "multiclass", "multilabel", "regression", "quantile", "ranking",
)  # fmt: skip
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")

# What a search takes on, in the order of what is learnt per second; of few rows and of many.
PORTFOLIO = (
    "logistic_regression",
    "ridge",
    "extra_trees",
    "knn",
    "svm",
    "mlp",
    "random_forest",
    "lightgbm",
)
MANY_ROWS = 20_000  # from here on LightGBM comes first

DEFAULTS: dict[Task, tuple[str, ...]] = {
    "quantile": ("linear_quantile", "lightgbm"),
    "ranking": ("lightgbm",),
    "anomaly": ("isolation_forest",),
    "bandit": ("ridge", "lightgbm"),
}


def default_candidates(task: Task, searched: bool = False, rows: int = 0) -> tuple[str, ...]:
    """What is tried when the loop file names nothing; more when there is time to search."""
    if searched and task in ("regression", "binary", "multiclass", "multilabel"):
        able = _names_for(task)
        order = PORTFOLIO if rows < MANY_ROWS else ("lightgbm", *PORTFOLIO[:-1])
        return tuple(name for name in order if name in able)
    if task == "policy":
        return ("q_learning",)
    if task in DEFAULTS:
        return DEFAULTS[task]
    linear = "linear_regression" if task == "regression" else "logistic_regression"
    return (linear, "lightgbm")


def find_candidate(name: str) -> Candidate:
    """The candidate called ``name``, a plain name or ``module:Class``.

    Raises :class:`~everloop.errors.InvalidInput` with the nearest valid name.
    """
    if ":" in name:
        return own_candidate(name)
    found: Candidate = candidates.get(name, "train.candidates")()
    return found


def chosen_candidates(spec: TrainSpec, task: Task, rows: int = 0) -> dict[str, Candidate]:
    """The candidates of ``spec`` by name, each checked to do ``task``; ``rows`` are to be fitted.

    Raises :class:`~everloop.errors.InvalidInput` for an unknown name or a candidate of another
    task.
    """
    found = {}
    for name in spec.candidates or default_candidates(task, spec.search.asked, rows):
        candidate = find_candidate(name)
        if task not in candidate.tasks:
            raise invalid(
                "train.candidates",
                name,
                f"a candidate for {task}: " + ", ".join(_names_for(task)),
                code="wrong_task",
                fix=None if ":" not in name else "A classifier of yours needs predict_proba.",
            )
        found[name] = candidate
    return found


def check_spec(spec: TrainSpec, task: Task | None = None) -> None:
    """Refuse what training would refuse, without importing a user's module or any data.

    Raises :class:`~everloop.errors.InvalidInput`.
    """
    if spec.base:
        parse_base(spec.base)
        if spec.search.asked:
            wanted = "no base beside train.search: what is taken along has its parameters"
            raise invalid("train.base", spec.base, wanted, code="contradiction")
    for i, name in enumerate(spec.candidates):
        if ":" in name and not is_reference(name):
            raise invalid(f"train.candidates[{i}]", name, 'a plain name or "module:Class"')
        if ":" not in name:
            candidates.get(name, f"train.candidates[{i}]")
        if name == ENSEMBLE:
            way_out = "Leave it out; train.ensemble = true makes one of a search's trials."
            raise invalid(f"train.candidates[{i}]", name, "an algorithm", fix=way_out)
    if len(set(spec.candidates)) < len(spec.candidates):
        raise invalid("train.candidates", list(spec.candidates), "each candidate once")
    if task is not None:
        plain = tuple(name for name in spec.candidates if ":" not in name)
        chosen_candidates(TrainSpec(candidates=plain), task)
    if not DEVICE.fullmatch(spec.device):
        raise invalid("train.device", spec.device, '"auto", "cpu", "cuda", "cuda:0" or "mps"')
    check_search(spec)
    _check_prepare(spec.prepare)
    cut = spec.threshold
    if cut not in ("metric", "cost") and (isinstance(cut, str) or not 0 < cut < 1):
        raise invalid("train.threshold", cut, 'a probability in (0, 1), "metric" or "cost"')
    if not 0 < spec.explore <= 1:
        way_out = "An action that is never tried has no reward to learn from."
        raise invalid("train.explore", spec.explore, "a share in (0, 1]", fix=way_out)
    if task is not None:
        check_fits(spec, task)
    for name in spec.space:
        if name not in (known := spec.candidates or candidates.names()):
            fix = did_you_mean(name, known)
            raise invalid("train.space", name, "a candidate of this loop", fix=fix)
    if spec.search.asked:
        _check_words(spec.search)


def check_fits(spec: TrainSpec, task: Task) -> None:
    """What a task has no use for is refused rather than left out in silence.

    Raises :class:`~everloop.errors.InvalidInput`.
    """
    if spec.threshold != 0.5 and task not in ("binary", "multilabel"):
        raise invalid("train.threshold", spec.threshold, f"none for the task {task}")
    if spec.threshold == "cost" and task == "multilabel":
        raise invalid("train.threshold", "cost", 'a probability, or "metric", for several labels')
    if spec.explore != TrainSpec().explore and task != "bandit":
        raise invalid("train.explore", spec.explore, f"none for the task {task}")
    if spec.calibrate != "none" and task not in ("binary", "multiclass"):
        expected = f'"none" for the task {task}'
        raise invalid("train.calibrate", spec.calibrate, expected, code="contradiction")
    if task == "bandit" and (spec.prepare.select or spec.prepare.categories == "target"):
        expected = "no selection and no target encoding, which know no rewards"
        raise invalid("train.prepare", "<columns by the target>", expected)
    if spec.refit == "all" and task not in REFITTED:
        expected = f'"train" for the task {task}'
        raise invalid("train.refit", "all", expected, code="contradiction")
    kind = spec.validation.kind
    if kind == "stratified" and task not in CLASSIFIED:
        expected = f"another kind for the task {task}, which has no classes"
        raise invalid("train.validation.kind", kind, expected)
    if kind != "auto" and task == "policy":
        raise invalid("train.validation.kind", kind, '"auto", as a policy has no rows')


def check_unlabelled(spec: TrainSpec) -> None:
    """Without labels nothing can be compared: one candidate, with the parameters it is given.

    Raises :class:`~everloop.errors.InvalidInput`.
    """
    fix = "Name data.target, the column of labels, to choose by it."
    names = spec.candidates or default_candidates("anomaly")
    if len(names) > 1:
        expected = "one candidate, as no labels tell which is better"
        raise invalid("train.candidates", list(names), expected, fix=fix)
    if spec.search.asked:
        expected = "no search, as no labels tell which parameters are better"
        raise invalid("train.search", "<a search>", expected, fix=fix)
    if spec.validation.kind != "auto":
        expected = '"auto", as no labels are there to validate by'
        raise invalid("train.validation.kind", spec.validation.kind, expected, fix=fix)


def _check_prepare(prepare: PrepareSpec) -> None:
    if not 0 < prepare.tail < 0.5:
        raise invalid("train.prepare.tail", prepare.tail, "a share in (0, 0.5)")
    if not 0 <= prepare.rare < 1:
        raise invalid("train.prepare.rare", prepare.rare, "a share in [0, 1)")
    if prepare.max_features is not None and prepare.max_features < 1:
        raise invalid("train.prepare.max_features", prepare.max_features, "1 or more")


def _check_words(search: SearchSpec) -> None:
    """Names that only a search has a use for, since looking them up imports it."""
    defaults = SearchSpec()
    if search.sampler != defaults.sampler:
        samplers.get(search.sampler, "train.search.sampler")
    if search.pruner != defaults.pruner:
        pruners.get(search.pruner, "train.search.pruner")
    if search.executor:
        trial_workers.get(search.executor, "train.search.executor")


def _names_for(task: Task) -> list[str]:
    able = (name for name, candidate in candidates if task in candidate().tasks)
    return [name for name in able if name != ENSEMBLE]
