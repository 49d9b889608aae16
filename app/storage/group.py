"""Group commit: what is to be written at the same time is written by one statement and one flush to disk."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

PATIENCE = 2.0  # seconds that an item waits for its turn; then whoever brought it is told, rather than kept waiting

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class _Waiting(Generic[Item, Result]):
    item: Item
    size: int
    since: float
    answer: asyncio.Future[Result] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Group(Generic[Item, Result]):
    """Gathers items while earlier ones are written; an idle group writes a lone item at once."""

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        blames: tuple[type[Exception], ...],
        *,
        writers: int = 2,
        most: int = 100,
        most_bytes: int = 8 * 1024 * 1024,
    ) -> None:
        """`write` returns one result for each item; an error of `blames` may be the fault of a single item."""
        self._write, self._blames = write, blames
        self._free, self._most, self._most_bytes = writers, most, most_bytes
        self._line: deque[_Waiting[Item, Result]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def put(self, item: Item, size: int) -> Result:
        """Write an item of `size` bytes, together with others, and return its own result; raises `TimeoutError`."""
        waiting: _Waiting[Item, Result] = _Waiting(item, size, time.monotonic())
        self._line.append(waiting)
        if self._free:
            self._free -= 1
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await waiting.answer

    async def _work(self) -> None:
        try:
            while self._line:
                if batch := self._next():
                    await self._settle(batch)
        finally:
            self._free += 1

    def _next(self) -> list[_Waiting[Item, Result]]:
        """Take from the line what fits; those that gave up meanwhile are dropped."""
        batch: list[_Waiting[Item, Result]] = []
        size = 0
        while self._line and len(batch) < self._most and (not batch or size + self._line[0].size <= self._most_bytes):
            one = self._line.popleft()
            if time.monotonic() - one.since > PATIENCE:
                _answer([one], TimeoutError("Those before it took too long."))
            elif not one.answer.done():
                batch.append(one)
                size += one.size
        return batch

    async def _settle(self, batch: list[_Waiting[Item, Result]]) -> None:
        try:
            results = await self._write([one.item for one in batch])
        except self._blames as error:
            if len(batch) > 1:  # one of them may have spoiled it for all
                for one in batch:
                    await self._settle([one])
                return
            _answer(batch, error)
        except Exception as error:  # noqa: BLE001 - each of those who wait gets it
            _answer(batch, error)
        except BaseException:
            for one in batch:
                one.answer.cancel()
            raise
        else:
            for one, result in zip(batch, results, strict=True):
                if not one.answer.done():
                    one.answer.set_result(result)


def _answer(batch: list[_Waiting[Item, Result]], error: Exception) -> None:
    for one in batch:
        if not one.answer.done():
            one.answer.set_exception(error)
