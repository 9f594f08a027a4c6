"""Asks the Open Inference Protocol over gRPC as fast as it is answered.

Run by benchmarks/serving.py: python grpc_client.py ADDRESS FILE SECONDS CONNECTIONS, where FILE
holds a ModelInferRequest as bytes. Messages are neither made nor read here, so that the client's
own share stays small; what it can do at all is what the constant reply gets.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import grpc.aio

METHOD = "/inference.GRPCInferenceService/ModelInfer"


async def caller(address: str, body: bytes, until: float, times: list[float]) -> int:
    """One connection with one call under way; the number of calls that failed."""
    failed = 0
    # A channel of one's own is a connection of one's own only in a pool of one's own.
    own = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(address, options=own) as channel:
        call = channel.unary_unary(METHOD)
        while (began := time.perf_counter()) < until:
            try:
                await call(body)
                times.append(time.perf_counter() - began)
            except grpc.aio.AioRpcError:
                failed += 1
    return failed


async def main() -> None:
    address, file, seconds, connections = sys.argv[1:5]
    body, times = Path(file).read_bytes(), []
    began = time.perf_counter()
    until = began + float(seconds)
    callers = [caller(address, body, until, times) for _ in range(int(connections))]
    failed = sum(await asyncio.gather(*callers))
    spent = time.perf_counter() - began
    times.sort()
    last = len(times) - 1
    p50, p99 = (times[int(q * last)] * 1000 if times else 0.0 for q in (0.5, 0.99))
    said = {"requests": len(times), "us": spent * 1e6, "errors": failed, "p50": p50, "p99": p99}
    print(json.dumps(said))


if __name__ == "__main__":
    asyncio.run(main())
