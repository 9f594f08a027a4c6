"""The ceiling: a server that answers every request with a constant that fits, and does nothing.

What a client reaches here is what it can reach at all.

Run: python benchmarks/peers/ceiling.py PORT REPLIES   (a JSON object: end of a path -> its reply)
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def framed(body: str) -> bytes:
    data = body.encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n"
    return head.encode() + b"\r\n" + data


class Constant(asyncio.Protocol):
    """One connection."""

    def __init__(self, replies: dict[bytes, bytes]) -> None:
        self.replies = replies
        self.waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while (end := self.waiting.find(b"\r\n\r\n")) >= 0:
            head = self.waiting[:end]
            found = LENGTH.search(head)
            size = end + 4 + (int(found[1]) if found else 0)
            if len(self.waiting) < size:
                return
            self.waiting = self.waiting[size:]
            path = head.split(b" ", 2)[1].partition(b"?")[0]
            name = path.partition(b"/mlflow/")[2] or path
            self.transport.write(self.replies.get(name, self.replies[b""]))


async def main() -> None:
    port, replies = int(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    table = {name.encode(): framed(json.dumps(reply)) for name, reply in replies.items()}
    server = await asyncio.get_running_loop().create_server(
        lambda: Constant(table), "127.0.0.1", port
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
