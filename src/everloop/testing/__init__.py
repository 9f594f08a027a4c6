"""Contract tests of what keeps runs, artifacts and models, for any back end to inherit.

A back end is a database and a blob store. Whoever brings one writes one class in a test file of
theirs, with two fixtures, and pytest does the rest::

    from everloop.store.blobs import Blobs
    from everloop.store.database import Database
    from everloop.testing import TrackingContract


    class TestMine(TrackingContract):
        @pytest.fixture
        def database(self): ...  # a migrated Database without rows, for each test

        @pytest.fixture
        def blobs(self): ...  # Blobs without objects, for each test

:mod:`everloop.testing._base` says what else a back end may replace. Needs pytest.
"""

import pytest

pytest.register_assert_rewrite(
    "everloop.testing._base",
    *(
        f"everloop.testing.{name}"
        for name in (
            "artifacts",
            "experiments",
            "inputs",
            "logged_models",
            "points",
            "registry",
            "runs",
            "search",
        )
    ),
)

from everloop.testing._base import Backend, Stores, at_once  # noqa: E402
from everloop.testing.artifacts import ArtifactsContract  # noqa: E402
from everloop.testing.experiments import ExperimentsContract  # noqa: E402
from everloop.testing.inputs import InputsContract  # noqa: E402
from everloop.testing.logged_models import LoggedModelsContract  # noqa: E402
from everloop.testing.points import PointsContract  # noqa: E402
from everloop.testing.registry import RegistryContract  # noqa: E402
from everloop.testing.runs import RunsContract  # noqa: E402
from everloop.testing.search import SearchContract  # noqa: E402

__all__ = [
    "ArtifactsContract",
    "Backend",
    "ExperimentsContract",
    "InputsContract",
    "LoggedModelsContract",
    "PointsContract",
    "RegistryContract",
    "RunsContract",
    "SearchContract",
    "Stores",
    "TrackingContract",
    "at_once",
]


class TrackingContract(
    ExperimentsContract,
    RunsContract,
    PointsContract,
    SearchContract,
    InputsContract,
    LoggedModelsContract,
    ArtifactsContract,
    RegistryContract,
):
    """All contracts together."""
