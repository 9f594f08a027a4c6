"""Experiments and logged models."""

from __future__ import annotations

import math
from typing import Any

import pytest
import sqlalchemy as sa

from everloop.errors import InvalidInput
from everloop.store.database import Database
from everloop.store.paging import Found
from everloop.store.tables import (
    experiment_tags,
    experiments,
    logged_model_metrics,
    logged_model_params,
    logged_model_tags,
    logged_models,
)
from everloop.tracking.records import MeasuredOn, ModelOrder
from everloop.tracking.search.experiments import search_experiment_ids
from everloop.tracking.search.logged_models import search_logged_model_ids

EXPERIMENTS = [  # id, name, created, updated, deleted, tags
    (1, "a", 10, 50, None, {"team": "x", "key": "value"}),
    (2, "A", 20, 40, None, {"team": "X"}),
    (3, "b%", 20, 30, None, {"key": "it's"}),
    (4, "gone", 30, 20, 99, {"team": "x"}),
]


@pytest.fixture
def groups(database: Database) -> Database:
    with database.write() as conn:
        conn.execute(sa.delete(experiments))
        for id, name, created, updated, deleted, tags in EXPERIMENTS:
            row = {"id": id, "name": name, "created": created, "updated": updated}
            conn.execute(sa.insert(experiments), row | {"deleted": deleted})
            for key, value in tags.items():
                conn.execute(
                    sa.insert(experiment_tags), {"experiment": id, "key": key, "value": value}
                )
    return database


def found(db: Database, filter: str = "", *order_by: str, **given: Any) -> list[int]:
    return page(db, filter, *order_by, **given).items


def page(db: Database, filter: str = "", *order_by: str, **given: Any) -> Found[int]:
    given = {"view": "active", "limit": 100, "token": None} | given
    with db.read() as conn:
        return search_experiment_ids(conn, filter=filter, order_by=order_by, **given)


def test_experiments(groups: Database) -> None:
    for filter, expected in {
        "": [2, 3, 1],
        "name = 'a'": [1],
        "attribute.name != 'a'": [2, 3],
        "name LIKE 'a%'": [1],
        "name ilike 'a%'": [2, 1],
        "name LIKE '%'": [2, 3, 1],
        "name IN ('a', 'b%')": [3, 1],
        "tags.team = 'x'": [1],
        "tag.team ILIKE 'x'": [2, 1],
        "tags.team != 'x'": [2],
        "tags.team IS NULL": [3],
        "tags.`team` IS NOT NULL AND tags.key = 'value'": [1],
        "NOT tags.team = 'x'": [2, 3],
        "tags.team = 'x' OR tags.key = \"it's\"": [3, 1],
        "creation_time > 10": [2, 3],
        "creation_time >= '20' AND last_update_time < 40": [3],
        "experiment_id = '2'": [2],
        "attribute.experiment_id NOT IN ('2', '3')": [1],
        "experiment_id != '2'": [3, 1],
        "experiment_id IN ('001', '4294967297', '99999999999999999999')": [1],
        "experiment_id != '99999999999999999999'": [2, 3, 1],
        "name = 'x'' OR 1=1 --'": [],
    }.items():
        assert found(groups, filter) == expected, filter


def test_experiments_in_order(groups: Database) -> None:
    assert found(groups, "", "name") == [2, 1, 3]
    assert found(groups, "", "name DESC") == [3, 1, 2]
    assert found(groups, "", "last_update_time ASC") == [3, 2, 1]
    assert found(groups, "", "creation_time") == [1, 3, 2]  # then the newest
    assert found(groups, "", "creation_time DESC", "experiment_id") == [2, 3, 1]
    assert found(groups, "", view="all") == [4, 2, 3, 1]
    assert found(groups, "", view="deleted") == [4]
    for order_by in ([], ["name DESC"], ["creation_time"]):
        first = page(groups, "", *order_by, limit=2)
        second = page(groups, "", *order_by, limit=2, token=first.next)
        assert first.items + second.items == found(groups, "", *order_by)
        assert second.next is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"filter": "experiment_id = 'x'"}, "Invalid experiment ID: 'x'. Must be an integer"),
        ({"filter": "experiment_id = '²'"}, "Invalid experiment ID"),
        ({"filter": "id = '1'"}, "Invalid attribute key 'id'"),
        ({"filter": "params.a = '1'"}, "Invalid entity type 'params'"),
        ({"filter": "name > 'a'"}, "Invalid comparator '>'"),
        ({"order_by": ["tags.a"]}, "Invalid identifier type 'tag'"),
        ({"token": "x"}, "page_token"),
        ({"limit": 0}, "limit"),
    ],
)
def test_bad_searches_for_experiments(
    groups: Database, arguments: dict[str, Any], words: str
) -> None:
    given = {"filter": "", "order_by": (), "view": "active", "limit": 5, "token": None}
    with pytest.raises(InvalidInput, match=words.replace("(", r"\(")), groups.read() as conn:
        search_experiment_ids(conn, **(given | arguments))


# -- logged models ---------------------------------------------------------------------------------

MODELS = [  # id, experiment, name, type, created, deleted, params, tags
    ("m-1", 1, "one", "sklearn", 10, None, {"depth": "1"}, {"stage": "a"}),
    ("m-2", 1, "two", None, 20, None, {"depth": "2"}, {}),
    ("m-3", 2, "three", "torch", 20, None, {}, {"stage": "A"}),
    ("m-4", 1, "gone", None, 30, 99, {}, {}),
]
METRICS = [  # model, key, at, step, run, value, dataset name and digest
    ("m-1", "loss", 1, 0, "r", 0.5, "train", "d1"),
    ("m-1", "loss", 2, 0, "r", 0.1, "test", "d2"),
    ("m-2", "loss", 1, 0, "r", 0.3, "train", "d1"),
    ("m-3", "loss", 1, 0, "r", math.nan, "train", "d3"),
    ("m-3", "f1", 1, 0, "r", 0.9, None, None),
]


@pytest.fixture
def kept(groups: Database) -> Database:
    with groups.write() as conn:
        for id, experiment, name, type, created, deleted, params, tags in MODELS:
            row = {"id": id, "experiment": experiment, "name": name, "type": type, "run": None}
            row |= {"status": "READY", "location": "", "created": created, "updated": created}
            conn.execute(sa.insert(logged_models), row | {"deleted": deleted})
            for table, texts in ((logged_model_params, params), (logged_model_tags, tags)):
                for key, value in texts.items():
                    conn.execute(sa.insert(table), {"model": id, "key": key, "value": value})
        for model, key, at, step, run, value, name, digest in METRICS:
            nan = math.isnan(value)
            row = {"model": model, "key": key, "at": at, "step": step, "run": run, "nan": nan}
            row |= {"value": 0.0 if nan else value}
            row |= {"dataset_name": name, "dataset_digest": digest}
            conn.execute(sa.insert(logged_model_metrics), row)
    return groups


def models(db: Database, filter: str = "", **given: Any) -> list[str]:
    return models_page(db, filter, **given).items


def models_page(db: Database, filter: str = "", **given: Any) -> Found[str]:
    given = {
        "experiments": [1, 2],
        "datasets": (),
        "order_by": (),
        "limit": 9,
        "token": None,
    } | given
    with db.read() as conn:
        return search_logged_model_ids(conn, filter=filter, **given)


def test_logged_models(kept: Database) -> None:
    for filter, expected in {
        "": ["m-2", "m-3", "m-1"],
        "name = 'one'": ["m-1"],
        "attributes.name LIKE 't%'": ["m-2", "m-3"],
        "model_type != 'torch'": ["m-1"],
        "NOT model_type = 'torch'": ["m-2", "m-1"],
        "status IN ('READY')": ["m-2", "m-3", "m-1"],
        "creation_timestamp > 10 AND creation_time < 21": ["m-2", "m-3"],
        "model_id IN ('m-1', 'm-4')": ["m-1"],
        "experiment_id = '2'": ["m-3"],
        "experiment_id IN ('02', '4294967298', '99999999999999999999')": ["m-3"],
        "params.depth = '1' OR tags.stage = 'A'": ["m-3", "m-1"],
        "tags.stage ILIKE 'a'": ["m-3", "m-1"],
        "params.depth IS NULL": ["m-3"],
        "metrics.loss < 0.4": ["m-2", "m-1"],
        "metrics.loss >= 0.5": ["m-1"],
        "metrics.loss > -1": ["m-2", "m-1"],
        "metrics.loss != 0.3": ["m-3", "m-1"],
        "metrics.f1 = 0.9": ["m-3"],
    }.items():
        assert models(kept, filter) == expected, filter
    assert models(kept, experiments=[2]) == ["m-3"]
    assert models(kept, experiments=[]) == []


def test_logged_models_measured_on_some_data(kept: Database) -> None:
    train, test = MeasuredOn("train"), MeasuredOn("test", "d2")
    assert models(kept, datasets=[test]) == ["m-1"]
    assert models(kept, datasets=[train]) == ["m-2", "m-3", "m-1"]
    assert models(kept, datasets=[MeasuredOn("train", "d1")]) == ["m-2", "m-1"]
    assert models(kept, "metrics.loss < 0.4", datasets=[train]) == ["m-2"]
    assert models(kept, "metrics.loss < 0.4", datasets=[train, test]) == ["m-2", "m-1"]
    assert models(kept, "metrics.loss < 0.4", datasets=[MeasuredOn("x' OR 1=1 --")]) == []


def test_logged_models_in_order(kept: Database) -> None:
    def order(*fields: ModelOrder) -> list[str]:
        whole = models(kept, order_by=fields)
        first = models_page(kept, order_by=fields, limit=1)
        second = models_page(kept, order_by=fields, limit=1, token=first.next)
        third = models_page(kept, order_by=fields, limit=1, token=second.next)
        assert first.items + second.items + third.items == whole
        assert third.next is None
        return whole

    assert order(ModelOrder("name")) == ["m-1", "m-3", "m-2"]
    assert order(ModelOrder("creation_time")) == ["m-1", "m-2", "m-3"]
    assert order(ModelOrder("attributes.model_id", False)) == ["m-3", "m-2", "m-1"]
    assert order(ModelOrder("model_type", False)) == ["m-3", "m-1", "m-2"]
    # The newest value counts; then NaN, then models without the metric.
    assert order(ModelOrder("metrics.loss")) == ["m-1", "m-2", "m-3"]
    assert order(ModelOrder("metrics.loss", False)) == ["m-2", "m-1", "m-3"]
    assert order(ModelOrder("metrics.loss", False, "train", "d1")) == ["m-1", "m-2", "m-3"]
    assert order(ModelOrder("metrics.f1")) == ["m-3", "m-2", "m-1"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"filter": "nope = 'x'"}, "Invalid attribute key 'nope'"),
        ({"filter": "datasets.name = 'x'"}, "Invalid entity type 'datasets'"),
        ({"filter": "experiment_id = 'x'"}, "Invalid experiment ID"),
        ({"order_by": [ModelOrder("nope")]}, "Invalid order by field name: nope"),
        ({"order_by": [ModelOrder("params.depth")]}, "Only metrics are supported"),
        ({"order_by": [ModelOrder("a" * 1001)]}, "1001 characters"),
        ({"token": "x"}, "page_token"),
        ({"limit": 0}, "limit"),
    ],
)
def test_bad_searches_for_logged_models(
    kept: Database, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        models(kept, **arguments)
