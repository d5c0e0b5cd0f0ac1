"""Send recorded requests, read the replies and drop them: what a Python client can do at most.

``plain_client.py URL FILE N`` prints the seconds that the requests of a file take, N in flight.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp


async def send(url: str, bodies: Iterator[dict[str, Any]], n_in_flight: int) -> float:
    """Return the seconds until the last reply."""

    async def work(http: aiohttp.ClientSession) -> None:
        for body in bodies:  # shared: each takes the next one
            async with http.post(f"{url}/chat/completions", json=body) as reply:
                await reply.read()
                assert reply.status == 200

    connector = aiohttp.TCPConnector(limit=n_in_flight)
    async with aiohttp.ClientSession(connector=connector) as http:
        begin = time.perf_counter()
        await asyncio.gather(*(work(http) for _ in range(n_in_flight)))
        return time.perf_counter() - begin


if __name__ == "__main__":
    recorded = [json.loads(line) for line in Path(sys.argv[2]).read_text().splitlines()]
    print(asyncio.run(send(sys.argv[1], iter(recorded), int(sys.argv[3]))))
