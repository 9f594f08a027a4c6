"""The ceiling: a server that answers every request with a constant that fits, and does nothing.

What a client reaches here is what it can reach at all.

Run: python benchmarks/peers/ceiling.py PORT REPLIES

REPLIES is a file with a JSON object: the end of a path, and its reply. One called ``path#text`` is
for bodies that hold the text, such as the token of a page.
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

    def __init__(self, replies: dict[bytes, bytes], special: dict[bytes, bytes]) -> None:
        self.replies = replies
        self.special = special
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
            body, self.waiting = self.waiting[end + 4 : size], self.waiting[size:]
            path = head.split(b" ", 2)[1].partition(b"?")[0]
            name = path.partition(b"/mlflow/")[2] or path
            reply = self.replies.get(name, self.replies[b""])
            if name == b"runs/search":
                reply = next((r for text, r in self.special.items() if text in body), reply)
            self.transport.write(reply)


async def main() -> None:
    port, replies = int(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    table = {name.encode(): framed(json.dumps(reply)) for name, reply in replies.items()}
    special = {name.partition(b"#")[2]: r for name, r in table.items() if b"#" in name}
    server = await asyncio.get_running_loop().create_server(
        lambda: Constant(table, special), "127.0.0.1", port
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
