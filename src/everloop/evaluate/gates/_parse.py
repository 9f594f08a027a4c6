"""From a sentence of the loop file to its gate."""

from __future__ import annotations

import re

from everloop.errors import InvalidInput, did_you_mean, invalid, nearest
from everloop.evaluate.gates._base import FIELD, Gate
from everloop.evaluate.metrics import metric_names
from everloop.extensions import gates

ELSE = re.compile(r",?\s+else\s+(refuse|ask|pass)\s*$")


def parse_gate(text: str, field: str = FIELD) -> Gate:
    """The gate that ``text`` states; after ``else`` may stand what is done when it is not met.

    Raises :class:`~everloop.errors.InvalidInput` with the nearest sentence or name that is valid.
    """
    refusal: InvalidInput | None = None
    word = ELSE.search(text)
    if word is not None:
        text = text[: word.start()]
    for _, kind in gates:
        try:
            gate: Gate | None = kind.parse(text)
        except InvalidInput as error:
            error.path = field
            refusal = error
            continue
        if gate is not None:
            gate.word = word[1] if word is not None else ""
            return gate
    raise refusal or _no_such_form(text, field)


def _no_such_form(text: str, field: str) -> InvalidInput:
    first = text.split()[0] if text.split() else ""
    metric = nearest(first, metric_names()) or "METRIC"
    forms = [kind.form for _, kind in gates]
    sentences = [form.replace("METRIC", metric).replace("NUMBER", "0.5") for form in forms]
    return invalid(
        field,
        text,
        "one of the forms " + "; ".join(forms),
        code="unknown_gate",
        fix=did_you_mean(text, sentences),
    )
