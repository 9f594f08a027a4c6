"""What clients ask about the server itself."""

from __future__ import annotations

from typing import Any

from everloop.tracking.mlflow_api.api import Api
from everloop.tracking.mlflow_api.decode import Nothing
from everloop.tracking.mlflow_api.entry import Entry

VERSION = "3.17.2"
"""The MLflow whose protocol this is."""


def version(api: Api, message: Nothing) -> bytes:
    """The version, as text."""
    return VERSION.encode()


def server_info(api: Api, message: Nothing) -> dict[str, Any]:
    """What clients may use; they leave alone what is said to be off."""
    return {
        "store_type": "SqlStore",
        "workspaces_enabled": False,
        "trace_archival_enabled": False,
        "multipart_uploads_enabled": False,
        "multipart_downloads_enabled": False,
        "presigned_upload_run_id_supported": False,
        "presigned_upload_model_id_supported": False,
        "features_enabled": {"gateway": False},
    }


ENTRIES = (
    Entry("GET", "/version", version, "public", quick=True),
    Entry("GET", "/api/3.0/mlflow/server-info", server_info, "public", quick=True),
)
