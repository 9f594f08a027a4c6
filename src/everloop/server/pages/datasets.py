"""Pages of dataset versions."""

from __future__ import annotations

from starlette.responses import Response

from everloop.console.models.datasets import (
    DatasetPage,
    DatasetsCompared,
    DatasetsPage,
    compare_datasets,
    read_dataset,
    read_datasets,
)
from everloop.server.call import Call
from everloop.server.pages._base import shown


def datasets(call: Call) -> Response:
    return shown("datasets.html", datasets_json(call))


def datasets_json(call: Call) -> DatasetsPage:
    return read_datasets(call.project, call.query.get("name", ""), call.before_pair())


def dataset(call: Call) -> Response:
    return shown("dataset.html", dataset_json(call))


def dataset_json(call: Call) -> DatasetPage:
    return read_dataset(call.project, call.path["digest"])


def compare(call: Call) -> Response:
    return shown("compare_datasets.html", compare_json(call))


def compare_json(call: Call) -> DatasetsCompared:
    """From the dataset version in the path to that of the query."""
    return compare_datasets(call.project, call.path["digest"], call.query.get("to", ""))
