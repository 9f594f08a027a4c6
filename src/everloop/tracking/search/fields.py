"""What experiments, runs and logged models can be searched for by."""

from __future__ import annotations

from everloop.store.filter.fields import NULLABLE_TEXT, NUMERIC, TEXT, Entity, Field, Fields
from everloop.store.filter.nodes import Operator

_ATTRIBUTE = ("attribute", "attr", "run", "attributes")
_TAG = ("tag", "tags")
_PARAM = ("parameter", "parameters", "param", "params")
_METRIC = ("metric", "metrics")

_TEXT = Field("text", TEXT)
_TIME = Field("number", NUMERIC)
_IDS: tuple[Operator, ...] = ("=", "!=", "IN", "NOT IN")

RUN_FIELDS = Fields(
    (
        Entity("metric", _METRIC, Field("number", NUMERIC)),
        Entity("parameter", _PARAM, Field("text", NULLABLE_TEXT)),
        Entity("tag", _TAG, Field("text", NULLABLE_TEXT)),
        Entity(
            "attribute",
            _ATTRIBUTE,
            {
                "artifact_uri": _TEXT,
                "end_time": _TIME,
                "experiment": Field("text", TEXT, sortable=False),
                "run_id": _TEXT,
                "run_name": _TEXT,
                "start_time": _TIME,
                "status": _TEXT,
                "user_id": _TEXT,
            },
            {
                "created": "start_time",
                "Created": "start_time",
                "run name": "run_name",
                "Run name": "run_name",
                "Run Name": "run_name",
            },
        ),
        Entity(
            "dataset",
            ("dataset", "datasets"),
            dict.fromkeys(("name", "digest", "context"), Field("text", TEXT, sortable=False)),
        ),
    )
)

EXPERIMENT_FIELDS = Fields(
    (
        Entity(
            "attribute",
            ("attribute", "attr", "attributes"),
            {
                "creation_time": Field("number", NUMERIC, quoted=True),
                "experiment_id": Field("text", _IDS),
                "last_update_time": Field("number", NUMERIC, quoted=True),
                "name": _TEXT,
            },
        ),
        Entity("tag", _TAG, Field("text", NULLABLE_TEXT, sortable=False)),
    )
)

MODEL_FIELDS = Fields(
    (
        Entity("metric", _METRIC, Field("number", NUMERIC)),
        Entity("parameter", _PARAM, Field("text", NULLABLE_TEXT, sortable=False)),
        Entity("tag", _TAG, Field("text", NULLABLE_TEXT, sortable=False)),
        Entity(
            "attribute",
            ("attribute", "attr", "attributes"),
            {
                "creation_timestamp": _TIME,
                "experiment_id": Field("text", _IDS, sortable=False),
                "last_updated_timestamp": _TIME,
                "model_id": _TEXT,
                "model_type": _TEXT,
                "name": _TEXT,
                "source_run_id": _TEXT,
                "status": _TEXT,
            },
            {
                "creation_time": "creation_timestamp",
                "creation_timestamp_ms": "creation_timestamp",
                "last_updated_time": "last_updated_timestamp",
                "last_updated_timestamp_ms": "last_updated_timestamp",
            },
        ),
    )
)
