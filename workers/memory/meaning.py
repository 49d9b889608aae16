"""The embedder in use: loaded when first needed, asked in a thread, and done without when it is lost."""

import asyncio
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from app.domain.memory import Remembered
from workers.memory.embedders import Embedder, make
from workers.memory.tier import REST, Tier

SECONDS = 15.0  # the first answer includes loading
MOST = 48  # texts for one question


class Meaning:
    """Tells what texts mean; None where nobody can."""

    def __init__(self, spec: str, rest: float = REST) -> None:
        """Name the embedder; nothing is loaded yet."""
        self._spec = spec
        self._tier = Tier("embedder", SECONDS, rest)
        self._threads = ThreadPoolExecutor(1, "embedder")
        self._lock = threading.Lock()
        self._embedder: Embedder | None = None

    @property
    def name(self) -> str:
        """The embedder's name; empty until one is loaded."""
        return self._embedder.name if self._embedder else ""

    def embedder(self) -> Embedder:
        """Return the embedder, loading it; to be called in a thread."""
        with self._lock:
            if self._embedder is None:
                self._embedder = make(self._spec)
            return self._embedder

    async def of(self, text: str) -> tuple[float, ...] | None:
        """Return the meaning of a text."""
        return await self._tier.ask("embed", lambda: self._in_thread(text), None)

    async def _in_thread(self, text: str) -> tuple[float, ...]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: self.embedder().embed(text))

    async def add_to(self, memories: Iterable[Remembered]) -> list[Remembered]:
        """Return the memories with their meanings, as far as there is an embedder."""
        found = []
        for number, memory in enumerate(memories):
            wanted = memory.vector is None and number < MOST
            found.append(replace(memory, vector=await self.of(memory.content)) if wanted else memory)
        return found

    def close(self) -> None:
        """Let go of the thread."""
        self._threads.shutdown(wait=False, cancel_futures=True)
