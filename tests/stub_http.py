"""HTTP/1.1 for the stub of vLLM: as little as its clients need, as fast as Python does it."""

import asyncio
import json
import socket
import struct
import traceback
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import NamedTuple

RESET = struct.pack("ii", 1, 0)
"""The value of SO_LINGER with which closing resets a connection."""


class Reply(NamedTuple):
    status: int
    value: dict | str
    retry_after_s: str = ""
    is_torn: bool = False
    """Send half of it, then reset the connection."""


Answer = Callable[[str, str, str, bytes], Awaitable[Reply]]
"""Takes method, path, authorization and body."""


async def serve(answer: Answer, host: str, port: int) -> None:
    """Answer until the process ends; an answer whose client goes away is cancelled."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(answer), host, port, backlog=1024)
    await server.serve_forever()


class Connection(asyncio.Protocol):
    """One client, which asks one thing at a time and may keep the connection."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.received = bytearray()
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self.task:
            self.task.cancel()

    def data_received(self, data: bytes) -> None:
        self.received += data
        if not self.task:
            self.read_request()

    def read_request(self) -> None:
        head, mark, _ = self.received.partition(b"\r\n\r\n")
        if not mark:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        start = len(head) + len(mark)
        end = start + int(headers.get("content-length", 0))
        if len(self.received) >= end:
            body = bytes(self.received[start:end])
            del self.received[:end]
            self.task = asyncio.create_task(self.respond(first, headers, body))

    async def respond(self, first: str, headers: dict[str, str], body: bytes) -> None:
        method, path, _ = first.split()
        try:
            reply = await self.answer(method, path, headers.get("authorization", ""), body)
        except ValueError as error:
            reply = Reply(400, {"error": {"message": str(error)}})
        except Exception as error:  # noqa: BLE001  (who waits in vain never learns what is wrong)
            traceback.print_exc()
            reply = Reply(500, {"error": {"message": repr(error)}})
        self.send(reply)
        self.task = None
        if headers.get("connection", "").lower() == "close":
            self.transport.close()
        self.read_request()

    def send(self, reply: Reply) -> None:
        value, is_text = reply.value, isinstance(reply.value, str)
        body = (value if is_text else json.dumps(value)).encode()
        wish = f"Retry-After: {reply.retry_after_s}\r\n" if reply.retry_after_s else ""
        head = (
            f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\n"
            f"Content-Type: {'text/plain' if is_text else 'application/json'}\r\n"
            f"{wish}Content-Length: {len(body)}\r\n\r\n"
        ).encode()
        if reply.is_torn:
            self.transport.write(head + body[: len(body) // 2])
            link = self.transport.get_extra_info("socket")
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.transport.abort()
        else:
            self.transport.write(head + body)
