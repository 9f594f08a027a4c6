"""Calls a data plane by Triton's own clients, and prints what they were told as JSON.

``python triton_calls.py URL GRPC_HOST:PORT``, in an environment that has ``tritonclient``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from client_rows import ROWS, TRIP
from tritonclient.utils import InferenceServerException


def called(kind: Any, client: Any) -> dict[str, Any]:
    """The same calls over both transports, whose modules have the same names."""
    said: dict[str, Any] = {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model": client.is_model_ready("trips", "4"),
        "away": client.is_model_ready("trips", "5"),
    }
    answer = client.infer("flights", [tensor(kind, "X", ROWS.astype(np.float32))], request_id="r-1")
    said["predict"] = answer.as_numpy("predict").tolist()
    columns = [tensor(kind, name, np.array([[value]])) for name, value in TRIP.items()]
    wanted = [kind.InferRequestedOutput("predict"), kind.InferRequestedOutput("predict_proba")]
    trip = client.infer("trips", columns, model_version="4", outputs=wanted)
    said["label"] = trip.as_numpy("predict").astype(str).tolist()
    said["proba"] = trip.as_numpy("predict_proba").tolist()
    for name, arguments in (
        ("refused", {"model_name": "flights", "inputs": [tensor(kind, "X", ROWS[:, :2])]}),
        ("unknown", {"model_name": "flihgts", "inputs": [tensor(kind, "X", ROWS)]}),
    ):
        try:
            client.infer(**arguments)
        except InferenceServerException as error:
            said[name] = str(error)
    client.unload_model("trips")
    said["unloaded"] = client.is_model_ready("trips")
    client.load_model("trips")
    said["loaded"] = client.is_model_ready("trips")
    return said


def tensor(kind: Any, name: str, values: Any) -> Any:
    datatypes = {"f8": "FP64", "f4": "FP32", "b1": "BOOL", "i8": "INT64"}
    datatype = datatypes.get(values.dtype.str[1:], "BYTES")
    if datatype == "BYTES":
        values = values.astype(object)
    made = kind.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values)
    return made


def compressed(kind: Any, client: Any, **arguments: str) -> list[float]:
    answer = client.infer("flights", [tensor(kind, "X", ROWS)], **arguments)
    return answer.as_numpy("predict").tolist()


def main(url: str, address: str) -> None:
    with over_http.InferenceServerClient(url.removeprefix("http://")) as client:
        http = called(over_http, client) | {
            "metadata": client.get_model_metadata("trips"),
            "index": client.get_model_repository_index(),
            "gzip": compressed(over_http, client, request_compression_algorithm="gzip"),
            "deflate": compressed(over_http, client, request_compression_algorithm="deflate"),
        }
    with over_grpc.InferenceServerClient(address) as client:
        grpc = called(over_grpc, client) | {
            "metadata": client.get_model_metadata("trips", as_json=True),
            "index": client.get_model_repository_index(as_json=True)["models"],
            "gzip": compressed(over_grpc, client, compression_algorithm="gzip"),
        }
    print(json.dumps({"http": http, "grpc": grpc}))


if __name__ == "__main__":
    main(*sys.argv[1:])
