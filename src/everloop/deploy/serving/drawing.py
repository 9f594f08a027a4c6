"""Actions of a bandit, drawn from the probabilities that its policy gives them.

The draw is a hash of the row's id: whoever asks again with the same id gets the same action, in
every process, and a log that has the ids can be checked. Another hash than that of the rollout
decides, so that which version answers says nothing of which action it takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from everloop.deploy.serving.endpoint import share_of

Shares = NDArray[np.floating[Any]]


def drawn(
    endpoint: str, ids: Sequence[str], p: Shares, actions: Sequence[Any]
) -> tuple[list[Any], Shares]:
    """The action of each row, and its propensity, n by 1.

    ``p`` : probabilities, n by k in the order of ``actions``.
    """
    stream = f"action:{endpoint}"
    points = np.array([share_of(stream, id) for id in ids])
    edges = np.cumsum(p, axis=1)
    # The sum may miss 1 by rounding: the point is a share of what there is.
    codes = (edges <= (points * edges[:, -1])[:, None]).sum(axis=1)
    chosen = np.minimum(codes, len(actions) - 1)
    propensity = np.take_along_axis(np.asarray(p), chosen[:, None], axis=1)
    return [actions[code] for code in chosen.tolist()], propensity
