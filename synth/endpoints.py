"""Endpoints that somebody else has started: a URL, a list of them, or a file that names them.

A file is for servers that come and go, such as those of other jobs of a cluster: each writes its
address when it is up. It may be missing or empty at first, and is looked at again while a run goes
on: what is added to it joins, what is taken out of it gets no new requests.
"""

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from synth.client import list_models
from synth.config import ServerConfig
from synth.config.setting import is_url
from synth.errors import (
    ConfigError,
    RequestRejected,
    ServerTimeout,
    SynthError,
    TransientError,
)
from synth.records import Endpoint

log = logging.getLogger(__name__)

_LOOK_S = 2.0
"""Between looks into a file."""
_ANSWER_S = 30.0
"""Longest wait for what an endpoint says of its models."""


class Outside:
    """The endpoints of ``server=external``."""

    def __init__(self, settings: ServerConfig) -> None:
        self._settings = settings
        self._file = settings.endpoints_file
        self._lock = asyncio.Lock()
        self._looked = float("-inf")
        self._models: dict[str, str] = {}
        """What those have that have answered, by their URLs."""
        self._told: set[str] = set()
        """What the user was told of already."""
        self._is_open = asyncio.Event()
        self.endpoints: tuple[Endpoint, ...] = ()
        """Those of the latest look."""
        self.seen: dict[str, Endpoint] = {}
        """All that there have been so far, by their URLs."""

    @property
    def may_change(self) -> bool:
        """Whether endpoints come and go."""
        return self._file is not None

    async def open(self) -> tuple[Endpoint, ...]:
        """Return the endpoints as soon as one of them answers.

        Raises:
            ClientError: if none of those that are listed answers.
            ServerTimeout: if the file names none that answers within ``server.timeout_s``.
            ConfigError: if a line of the file is no URL, or the model to ask for is not clear.
        """
        settings = self._settings
        if self._file is None:
            urls, model, key = settings.api_bases, settings.model, settings.api_key
            self.endpoints = await ask_external(urls, model, key)
        else:
            await self._await_file(self._file)
        self._is_open.set()
        return self.endpoints

    async def find(self) -> tuple[Endpoint, ...]:
        """Return the endpoints of the moment; a file is looked at from time to time."""
        is_due = time.monotonic() - self._looked >= _LOOK_S
        if self._file is not None and is_due and not self._lock.locked():
            async with self._lock:
                await self._look(self._file)
        return self.endpoints

    async def keep(self) -> None:
        """Watch over a file from when it is open, for as long as one awaits this.

        Raises:
            ServerTimeout: if it has named no endpoint that answers for ``server.timeout_s``.
        """
        await self._is_open.wait()
        since = time.monotonic()
        while True:
            if await self.find():
                since = time.monotonic()
            elif time.monotonic() - since >= self._settings.timeout_s:
                raise ServerTimeout(self._lack(self._file))
            await asyncio.sleep(_LOOK_S)

    async def _await_file(self, file: Path) -> None:
        deadline = time.monotonic() + self._settings.timeout_s
        while not self.endpoints:
            problems = await self._look(file, is_first=True)
            if problems:
                raise ConfigError(problems)
            if not self.endpoints:
                if time.monotonic() >= deadline:
                    raise ServerTimeout(self._lack(file))
                self._tell_once(f"waiting for an endpoint in {file}", logging.INFO)
                await asyncio.sleep(min(_LOOK_S, self._settings.timeout_s))

    async def _look(self, file: Path, *, is_first: bool = False) -> list[str]:
        """Bring the endpoints up to date; return what is wrong in the file, and tell it if not new.

        A file that can't be read for a moment changes nothing.
        """
        self._looked = time.monotonic()
        try:
            text = await asyncio.to_thread(file.read_text, "utf-8", "replace")
        except FileNotFoundError:
            return []
        except OSError as error:
            return self._tell([f"server.api_base={file}: {error.strerror}"], is_first=is_first)
        urls, problems = parse_urls(text, file)
        problems += await self._ask([url for url in urls if url not in self._models])
        key = self._settings.api_key or os.environ.get("OPENAI_API_KEY")
        found = [Endpoint(url, self._models[url], key) for url in urls if url in self._models]
        self.endpoints = tuple(found)
        self.seen |= {one.base_url: one for one in found}
        return self._tell(problems, is_first=is_first)

    async def _ask(self, urls: Sequence[str]) -> list[str]:
        """Ask new endpoints for their models; return what keeps some from ever being used."""
        key = self._settings.api_key or os.environ.get("OPENAI_API_KEY")
        asked = [Endpoint(url, self._settings.model or "", key) for url in urls]
        tasks = (_ask_for_model(endpoint, "server") for endpoint in asked)
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        problems = []
        for url, answer in zip(urls, answers, strict=True):
            if isinstance(answer, str):
                self._models[url] = answer
            elif isinstance(answer, TransientError):
                self._tell_once(f"{answer}; it is asked again", logging.WARNING)
            elif isinstance(answer, SynthError):
                problems.append(f"{url}: {answer}")
            else:
                raise answer
        return problems

    def _tell(self, problems: list[str], *, is_first: bool) -> list[str]:
        """Return problems of a first look, which end the run, and tell of those of later ones."""
        if not is_first:
            for problem in problems:
                self._tell_once(f"{problem}; the run goes on without it", logging.WARNING)
        return problems

    def _tell_once(self, text: str, level: int) -> None:
        if text not in self._told:
            self._told.add(text)
            log.log(level, "serve     %s", text)

    def _lack(self, file: Path | None) -> str:
        what = "names no endpoint that answers" if file and file.exists() else "is not there"
        return (
            f"server.api_base={file}: it {what}, and that for server.timeout_s="
            f"{self._settings.timeout_s:g}; the servers that write their URLs into it are to do so"
        )


def parse_urls(text: str, path: Path) -> tuple[list[str], list[str]]:
    """Return the URLs of a file of endpoints, each once, and a sentence for each line that is none.

    Blank lines and what follows a ``#`` are left out.
    """
    urls, problems = [], []
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.partition("#")[0].strip()
        if entry and not is_url(entry):
            problems.append(
                f"server.api_base={path}, line {number}: {entry!r} is no URL such as "
                "http://127.0.0.1:8000/v1"
            )
        elif entry:
            urls.append(entry.rstrip("/"))
    return list(dict.fromkeys(urls)), problems


async def ask_external(
    urls: Sequence[str], model: str | None, api_key: str | None, group: str = "server"
) -> tuple[Endpoint, ...]:
    """Return the endpoints with the model to ask each of them for.

    One that does not answer may do so later, as long as another answers now.

    Args:
        urls: of the endpoints.
        model: to ask all of them for; None: the one that each lists.
        api_key: None: ``OPENAI_API_KEY`` of the environment, if it is there.
        group: of the settings that say so, for what is told of them.

    Raises:
        ClientError: if none answers.
        ConfigError: if one lists several models and none is named.
    """
    key = api_key or os.environ.get("OPENAI_API_KEY")
    endpoints = [Endpoint(url, model or "", key) for url in urls]
    if model and len(endpoints) == 1:
        return tuple(endpoints)
    answers = await asyncio.gather(*(_ask_for_model(endpoint, group) for endpoint in endpoints))
    silent = [answer for answer in answers if isinstance(answer, TransientError)]
    if len(silent) == len(endpoints):
        raise silent[0]
    for error in silent:
        log.warning("serve     %s; the run goes on with the others", error)
    first = next(answer for answer in answers if isinstance(answer, str))
    models = (first if isinstance(answer, TransientError) else answer for answer in answers)
    return tuple(
        replace(endpoint, model=model) for endpoint, model in zip(endpoints, models, strict=True)
    )


async def _ask_for_model(endpoint: Endpoint, group: str) -> str | TransientError:
    """Return the model to ask the endpoint for, or the error if it does not answer."""
    try:
        names = await list_models(endpoint, _ANSWER_S)
    except TransientError as error:
        return error
    except RequestRejected:
        if not endpoint.model:
            raise
        return endpoint.model  # it answers, though not to that
    if endpoint.model:
        return endpoint.model
    if len(names) != 1:
        listed = ", ".join(names) or "none"
        raise ConfigError([f"{group}.model: the endpoint lists {listed}; name one of them"])
    return names[0]
