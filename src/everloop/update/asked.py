"""The method that a policy or a person names."""

from __future__ import annotations

from everloop.train.bases import parse_base
from everloop.update.methods import Choice
from everloop.update.spec import UpdateSpec

BY_FILE = "The loop file asks for it."


def asked_choice(policy: UpdateSpec, champion: int, probed: bool) -> Choice | None:
    """How a cycle shall make its model; None where its probe is to choose."""
    if policy.method != "auto":
        return Choice(policy.method, policy.window, policy.search, champion, None, BY_FILE)
    if probed:
        return None
    why = "Nothing was probed, since a person or a rule asked: what always works."
    return Choice("retrain", policy.window, policy.search, champion, None, why)


def transferred(base: str, why: str) -> Choice:
    """How a model is made from ``base``, as ``model/3``. Raises InvalidInput for another form."""
    found = parse_base(base)
    return Choice("transfer", base=found.version, model=found.model, why=why)
