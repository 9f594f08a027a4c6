"""What a runtime owes to those who ask it.

- It is made from a package folder that was verified before, and from nothing else. It unpickles
  nothing in this process, and imports nothing that the package names.
- ``predict`` takes ``X`` (float64, n by ``schema.width``) and answers as
  :class:`~everloop.deploy.predictor.Output` says, or raises
  :class:`~everloop.deploy.predictor.ModelFailure`, or :class:`~everloop.errors.InvalidInput` for
  a value that it has no answer to; no other exception. It may be called from several threads at a
  time, and ends within a bounded time.
- ``arrays`` answers the same as arrays: numbers or codes into ``schema.classes`` (text where a
  model gives text), and what ``Output.probabilities`` is.
- ``warm_up`` answers some rows once, before the first caller; it may raise anything,
  and the model is then not put to work.
- ``waits`` says that an answer may take long though the model is quick: such a runtime is never
  asked on the event loop.
- Memory is bounded by the package, or by a limit in it. What a runtime holds beside memory goes
  when nobody holds the runtime any more: there is no close, since requests under way keep it.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from everloop.data.schema import Schema
from everloop.deploy.package import Package
from everloop.deploy.predictor import Output


class Runtime(Protocol):
    """A model package, loaded and ready to answer."""

    package: Package
    schema: Schema
    waits: bool

    def predict(self, X: npt.NDArray[np.float64]) -> Output: ...

    def arrays(
        self, X: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.floating[Any]] | None]: ...

    def warm_up(self, rows: int = 1) -> None: ...
