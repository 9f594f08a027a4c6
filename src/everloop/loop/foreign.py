"""What a person may say of a model that was made elsewhere; light, for those who pass it on."""

from __future__ import annotations

import msgspec

from everloop.data.schema import Schema


class How(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may be said of a model that its files do not say.

    Attributes
    ----------
    schema : a file of ``everloop schema --out``, or the schema itself; then the next five are not
        needed.
    features : the names of the columns, in the order of the model.
    target : what the answer is called.
    task : ``regression``, ``ranking``, ``binary`` or ``multiclass``.
    classes : in the order of the model's probabilities.
    output : which of several outputs answers.
    logits : whether the output still needs its softmax, or sigmoid.
    data : a file of rows like those of the training; explanations are held against them, and so
        is the traffic of a loop that serves the model.
    allow : types that a skops file may name, beside those of the setting ``skops_types``.
    trust : the key that vouches for a folder that runs code; see
        :func:`everloop.loop.own_code.trusted`.
    memory_mb, seconds : limits of code of one's own, of its process and of each call.
    server : the MLflow server that ``models:/`` and ``runs:/`` are of; this project without.
    """

    schema: str | Schema | None = None
    features: tuple[str, ...] = ()
    target: str = "prediction"
    task: str | None = None
    classes: tuple[str | int | float | bool, ...] = ()
    output: str | None = None
    logits: bool | None = None
    data: str | None = None
    allow: tuple[str, ...] = ()
    trust: str | None = None
    memory_mb: int = 2048
    seconds: float = 10.0
    server: str = ""
