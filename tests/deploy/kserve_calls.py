"""Calls a data plane by KServe's own clients, and prints what they were told as JSON.

``python kserve_calls.py URL GRPC_HOST:PORT``, in an environment that has ``kserve``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from client_rows import RECORDS, ROWS
from kserve import (
    InferenceGRPCClient,
    InferenceRESTClient,
    InferInput,
    InferRequest,
    RESTConfig,
)


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
        for form, as_bytes in (("lists", False), ("bytes", True)):
            answer = await client.infer(url, request(as_bytes), "flights")
            said[form] = answer.outputs[0].as_numpy().tolist()
        return said


async def grpc(address: str) -> dict[str, Any]:
    async with InferenceGRPCClient(address) as client:
        said: dict[str, Any] = {
            "live": await client.is_server_live(),
            "ready": await client.is_server_ready(),
            "model": await client.is_model_ready("flights"),
        }
        for form, as_bytes in (("lists", False), ("bytes", True)):
            answer = await client.infer(request(as_bytes))
            said[form] = answer.outputs[0].as_numpy().tolist()
        return said


def request(as_bytes: bool) -> InferRequest:
    tensor = InferInput("input-0", list(ROWS.shape), "FP64")
    tensor.set_data_from_numpy(ROWS, binary_data=as_bytes)
    return InferRequest(model_name="flights", infer_inputs=[tensor])


async def main(url: str, address: str) -> None:
    print(json.dumps({"v1": await v1(url), "v2": await v2(url), "grpc": await grpc(address)}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
