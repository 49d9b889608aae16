"""`GET /projects/{id}/events`: what happens, as server-sent events that are taken up again where they ended."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from aiohttp import web

from app.domain.board import Event
from app.storage.board import Stand
from app.web.middleware import problem

log = logging.getLogger(__name__)

MOST = 200  # connections of one server
POLL = 0.4  # seconds between looks at the tables, for all connections together
HEARTBEAT = 15.0  # seconds of silence after which something is sent
LIFE = 3600.0  # seconds after which a connection is ended, to be let in again
WRITE_SECONDS = 20.0  # for a slow reader
RETRY = b"retry: 2000\n\n"
BEAT = b": still here\n\n"
HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventReader(Protocol):
    """Reads what happened."""

    async def last_event(self, project: UUID) -> int | None: ...
    async def events(self, project: UUID, after: int) -> list[Event]: ...
    async def changed(self, projects: list[UUID]) -> dict[UUID, int]: ...
    async def stand(self) -> Stand: ...


@dataclass(eq=False)
class _Watch:
    """A connection that waits; `seen` is how far it has read."""

    project: UUID | None  # None: all of them
    seen: int | Stand | None
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Streams:
    """All connections of this server; one task looks at the tables for them, while there are any."""

    def __init__(self, reader: EventReader, most: int = MOST, heartbeat: float = HEARTBEAT) -> None:
        """Nothing is looked at before somebody connects."""
        self._reader, self._most, self._heartbeat = reader, most, heartbeat
        self._watches: set[_Watch] = set()
        self._looking: asyncio.Task[None] | None = None
        self._closing = False

    async def of_project(self, request: web.Request, project: UUID) -> web.StreamResponse:
        """Send a project's events after `Last-Event-ID` (or `?after=`), each once and in order."""
        after = _number(request.headers.get("Last-Event-ID", request.query.get("after", "0")))
        last = await self._reader.last_event(project)
        if last is None:
            return problem(404, "Not found", "There is no such project.")
        if after is None or after > last:
            return problem(400, "Bad request", "Last-Event-ID isn't the id of an event of this project.")
        watch = _Watch(project, after)

        async def news() -> AsyncIterator[bytes]:
            while found := await self._reader.events(project, int(str(watch.seen))):
                for event in found:
                    yield written(event)
                    watch.seen = event.number

        return await self._serve(request, watch, news)

    async def of_all(self, request: web.Request) -> web.StreamResponse:
        """Say that something has changed in some project; what it was is read elsewhere."""
        watch = _Watch(None, await self._reader.stand())

        async def news() -> AsyncIterator[bytes]:
            found = await self._reader.stand()
            if found != watch.seen:
                watch.seen = found
                yield b"event: changed\ndata: {}\n\n"

        return await self._serve(request, watch, news)

    async def close(self) -> None:
        """End every connection; whoever reads connects again, here or elsewhere."""
        self._closing = True
        for watch in self._watches:
            watch.woken.set()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _serve(
        self, request: web.Request, watch: _Watch, news: Callable[[], AsyncIterator[bytes]]
    ) -> web.StreamResponse:
        if len(self._watches) >= self._most or self._closing:
            answer = problem(503, "Too many readers", "Too many connections wait for events: try again later.")
            answer.headers["Retry-After"] = "10"
            return answer
        with self._watched(watch):
            response = web.StreamResponse(headers=HEADERS)
            await response.prepare(request)
            try:
                async with asyncio.timeout(LIFE):
                    await self._send(response, RETRY)
                    await self._follow(response, watch, news)
            except (OSError, TimeoutError):
                pass  # the reader has gone, is too slow, or has to be let in again
            except Exception:  # it has begun, so it can only end; the reader takes it up again where it ended
                log.warning("a stream of events broke off", exc_info=True)
            return response

    async def _follow(
        self, response: web.StreamResponse, watch: _Watch, news: Callable[[], AsyncIterator[bytes]]
    ) -> None:
        while not self._closing:
            watch.woken.clear()
            async for piece in news():
                await self._send(response, piece)
            try:
                await asyncio.wait_for(watch.woken.wait(), self._heartbeat)
            except TimeoutError:
                await self._send(response, BEAT)

    async def _send(self, response: web.StreamResponse, piece: bytes) -> None:
        async with asyncio.timeout(WRITE_SECONDS):
            await response.write(piece)

    @contextmanager
    def _watched(self, watch: _Watch) -> Iterator[None]:
        self._watches.add(watch)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            self._watches.discard(watch)

    async def _look(self) -> None:
        while self._watches:
            try:
                await self._wake()
            except Exception as error:  # noqa: BLE001 - drivers raise what they like; the next look may succeed
                log.warning("events could not be looked for", extra={"why": f"{type(error).__name__}: {error}"})
            await asyncio.sleep(POLL)

    async def _wake(self) -> None:
        """Wake the connections for which there is something new."""
        projects = {watch.project for watch in self._watches if watch.project}
        last = await self._reader.changed(list(projects)) if projects else {}
        stand = await self._reader.stand() if any(watch.project is None for watch in self._watches) else None
        for watch in self._watches:
            newest = last.get(watch.project, 0) if watch.project else stand
            if newest not in {watch.seen, None}:
                watch.woken.set()


def written(event: Event) -> bytes:
    """Return an event as it is sent."""
    data = json.dumps({"at": event.at.isoformat(), **event.data}, ensure_ascii=False)
    return f"id: {event.number}\nevent: {event.kind}\ndata: {data}\n\n".encode()


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
