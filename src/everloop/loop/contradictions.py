"""Sections of a loop file that cannot both be kept; each alone is sound.

What one section says against itself is found where that section is checked.
"""

from __future__ import annotations

from everloop.deploy.checked import check_task
from everloop.deploy.spec import RolloutSpec
from everloop.durations import seconds
from everloop.errors import InvalidInput, invalid
from everloop.loop.declaration import Declaration
from everloop.monitor.spec import MonitorSpec
from everloop.train.search.space import ranges
from everloop.train.spec import TrainSpec
from everloop.update.budget import parse_limit
from everloop.update.spec import UpdateSpec
from everloop.update.triggers import parse_trigger
from everloop.update.triggers.several import SeveralTrigger

PAIRED = ("shadow", "blue_green")  # kinds in which both versions answer the same rows
DEFAULT_WHEN = UpdateSpec().when


def check_together(declaration: Declaration, task: str | None = None) -> None:
    """Raise :class:`~everloop.errors.InvalidInput` for the first two that exclude each other.

    ``task`` : of the data, where it is known.
    """
    train, update, monitor = declaration.train, declaration.update, declaration.monitor
    _check_time(train, update)
    _check_searched(train, update)
    _check_seen(update, monitor)
    _check_kept(monitor)
    _check_trial(declaration.deploy.rollout, task)


def _check_time(train: TrainSpec, update: UpdateSpec) -> None:
    """A search that its own limit or the budget of updates would cut off."""
    if train.search.timeout is None:
        return
    took, limit = seconds(train.search.timeout, ""), seconds(train.limits.time, "")
    if took > limit:
        wanted = f'at most "{train.limits.time}", when train.limits.time ends the step'
        raise _contradiction("train.search.timeout", train.search.timeout, wanted)
    if update.search != "full":
        return
    for line in map(parse_limit, update.budget):
        each = took if line.what == "compute" else took / 3600 * update.hour
        if line.what != "cycles" and each > line.most:
            wanted = f'a search that the budget "{line.text}" has room for'
            fix = 'Raise the budget, or write update.search = "keep".'
            raise _contradiction("train.search.timeout", train.search.timeout, wanted, fix)


def _check_searched(train: TrainSpec, update: UpdateSpec) -> None:
    """Ranges that nothing searches; ``trials = 0`` says in so many words that nothing shall."""
    if train.search.asked or train.search.trials is not None or update.search == "warm":
        return
    for field, choice in ranges(train.space):
        fix = "Say how long to search by train.search.trials or train.search.timeout."
        raise _contradiction(field, choice, "one value, as nothing is searched", fix)


def _check_seen(update: UpdateSpec, monitor: MonitorSpec) -> None:
    """A trigger or a fallback whose monitor is switched off."""
    performance = monitor.performance
    off = {
        "drift": ("monitor.drift", False) if not monitor.drift else None,
        "performance": ("monitor.performance", None) if performance is None else None,
        "estimated performance": ("monitor.performance.estimate", "none")
        if performance is None or performance.estimate == "none"
        else None,
    }
    for text in () if update.when == DEFAULT_WHEN else update.when:
        for word in _words(text):
            if found := off.get(word):
                fix = f'Or take "{word}" out of update.when.'
                wanted = f'what "{word}" of update.when waits for'
                raise _contradiction(found[0], found[1], wanted, fix)
    if update.fallback != "wait" and not monitor.quality:
        wanted = f'true, as update.fallback = "{update.fallback}" waits for a broken feature'
        raise _contradiction("monitor.quality", False, wanted)


def _words(text: str) -> list[str]:
    """The forms of the triggers in one entry of ``when``."""
    trigger = parse_trigger(text)
    parts = trigger.parts if isinstance(trigger, SeveralTrigger) else [trigger]
    return [part.form for part in parts]


def _check_kept(monitor: MonitorSpec) -> None:
    """Rows that are deleted before their labels are waited for."""
    keep, performance = monitor.log.keep, monitor.performance
    if not keep or performance is None:
        return
    if seconds(keep, "") < seconds(performance.labels_after, ""):
        wanted = f'at least "{performance.labels_after}", when labels come'
        fix = "Keep rows longer, or lower monitor.performance.labels_after."
        raise _contradiction("monitor.log.keep", keep, wanted, fix)


def _check_trial(rollout: RolloutSpec, task: str | None) -> None:
    """Guards that would see nothing in a rollout of this kind, and kinds without a trial."""
    if task is not None:
        check_task(rollout, task, "deploy.rollout")
    if rollout.kind == "direct" and rollout.guards:
        wanted = "no guards, as a direct rollout has no trial that they could watch"
        fix = 'Write kind = "canary", for example.'
        raise _contradiction("deploy.rollout.guards", list(rollout.guards), wanted, fix)
    if "disagreement" in rollout.guards and rollout.kind not in PAIRED:
        wanted = f"no disagreement, as nobody's rows are answered twice in a {rollout.kind}"
        fix = 'Write kind = "shadow", or take "shift" for it.'
        raise _contradiction("deploy.rollout.guards", list(rollout.guards), wanted, fix)


def _contradiction(field: str, got: object, wanted: str, fix: str | None = None) -> InvalidInput:
    return invalid(field, got, wanted, code="contradiction", fix=fix)
