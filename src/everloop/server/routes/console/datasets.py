"""The pages of dataset versions."""

from __future__ import annotations

from everloop.console.models.datasets import DatasetPage, DatasetsCompared, DatasetsPage
from everloop.server.pages import datasets
from everloop.server.routes.console._base import pair

# fmt: off
DATASETS = (
    *pair("/datasets", datasets.datasets, datasets.datasets_json, DatasetsPage,
          "The page of dataset versions", query=("name", "before")),
    *pair("/datasets/{digest}/compare", datasets.compare, datasets.compare_json, DatasetsCompared,
          "A dataset version beside another: schema and drift", query=("to",), slow=True),
    *pair("/datasets/{digest}", datasets.dataset, datasets.dataset_json, DatasetPage,
          "A dataset version's page, with some of its rows drawn", slow=True),
)
# fmt: on
