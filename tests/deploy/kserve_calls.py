"""Calls a data plane by KServe's own clients, and prints what they were told as JSON.

``python kserve_calls.py URL GRPC_HOST:PORT``, in an environment that has ``kserve``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import numpy as np
from client_rows import RECORDS, ROWS, TRIP
from kserve import (
    InferenceGRPCClient,
    InferenceRESTClient,
    InferInput,
    InferRequest,
    RESTConfig,
)
from kserve.protocol.infer_type import RequestedOutput


async def v1(url: str) -> dict[str, Any]:
    async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
        instances = {"instances": RECORDS}
        said = {
            "live": await client.is_server_live(url),
            "ready": await client.is_model_ready(url, "flights"),
            "predict": (await client.infer(url, instances, "flights"))["predictions"],
            "explain": (await client.explain(url, "flights", instances))["explanations"],
        }
        try:
            await client.infer(url, {"instances": [{"x0": 1}]}, "flights")
        except Exception as error:
            said["refused"] = str(error)
        return said


async def v2(url: str) -> dict[str, Any]:
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        said: dict[str, Any] = {
            "live": await client.is_server_live(url),
            "ready": await client.is_server_ready(url),
            "model": await client.is_model_ready(url, "flights"),
            "away": await client.is_model_ready(url, "trains"),
        }
        for form, asked in forms().items():
            headers: dict[str, str] = {}
            answer = await client.infer(url, asked, asked.model_name, response_headers=headers)
            said[form] = told(answer) | {"json": headers.get("inference-header-content-length")}
        return said


async def grpc(address: str) -> dict[str, Any]:
    async with InferenceGRPCClient(address) as client:
        said: dict[str, Any] = {
            "live": await client.is_server_live(),
            "ready": await client.is_server_ready(),
            "model": await client.is_model_ready("flights"),
        }
        for form, asked in forms().items():
            if form != "mixed":  # over gRPC either all inputs are raw or none
                said[form] = told(await client.infer(asked))
        return said


def forms() -> dict[str, InferRequest]:
    """The same rows as lists and as bytes, in each width, and answers as either."""
    half, single = ROWS.astype(np.float16), ROWS.astype(np.float32)
    as_bytes = {"request_outputs": [RequestedOutput("predict", {"binary_data": True})]}
    both = [RequestedOutput("predict", {"binary_data": True}), RequestedOutput("predict_proba")]
    return {
        "lists": request("flights", [tensor("X", ROWS, False)]),
        "bytes": request("flights", [tensor("X", ROWS, True)], **as_bytes),
        "half": request("flights", [tensor("X", half, True)]),
        "single": request("flights", [tensor("X", single, True)], **as_bytes),
        "answer": request("flights", [tensor("X", ROWS, False)], **as_bytes),
        "columns": request("trips", columns(True), parameters={"binary_data_output": True}),
        "texts": request("trips", columns(False), request_outputs=both),
        "mixed": request("trips", [*columns(True)[:3], *columns(False)[3:]], request_outputs=both),
    }


def request(name: str, inputs: list[InferInput], **more: Any) -> InferRequest:
    return InferRequest(model_name=name, infer_inputs=inputs, **more)


def columns(as_bytes: bool) -> list[InferInput]:
    """Two rows alike; text is an array of objects."""
    return [
        tensor(name, np.array([value] * 2, object if isinstance(value, str) else None), as_bytes)
        for name, value in TRIP.items()
    ]


def tensor(name: str, values: np.ndarray, as_bytes: bool) -> InferInput:
    datatypes = {"f8": "FP64", "f4": "FP32", "f2": "FP16", "b1": "BOOL", "i8": "INT64"}
    made = InferInput(name, list(values.shape), datatypes.get(values.dtype.str[1:], "BYTES"))
    made.set_data_from_numpy(values, binary_data=as_bytes)
    return made


def told(answer: Any) -> dict[str, Any]:
    """Each output's values, texts as such."""
    found = {}
    for output in answer.outputs:
        values = output.as_numpy().tolist()
        found[output.name] = [v.decode() if isinstance(v, bytes) else v for v in values]
    return found


async def main(url: str, address: str) -> None:
    print(json.dumps({"v1": await v1(url), "v2": await v2(url), "grpc": await grpc(address)}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
