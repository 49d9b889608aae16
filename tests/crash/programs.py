"""The programs that are forked: the real server, the real worker and the hub, with everything imported beforehand."""

import asyncio
import json
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import aiohttp.web

import hub.main as hub_main
from app import edges, logs
from app.settings import read_settings
from app.web.main import serve
from tests.crash.guard import Fault, How, Striking
from tests.crash.plants import PLANTS
from workers import requests
from workers.checkpoints import locks
from workers.main import work
from workers.tempo import Tempo

for late in ("workers.agents.loop", "langchain_openai", "langchain.chat_models", "openai.resources.chat"):
    import_module(late)  # what the programs import when they first need it

# As in production, only some seven times faster.
TEMPO = Tempo(reconcile=0.1, overdue=0.3, recover=3.0, drain=5.0, lease=1.5, beat=0.3, show=0.0)
locks.FROZEN = 1.0
requests.SETTLING = 2.0


def _guard(command: dict[str, Any]) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _tell_tasks)
    fault = command.get("fault")
    struck = Fault(**{**fault, "how": How(fault["how"])}) if fault else None
    edges.guard = Striking(command["role"], Path(command["crossings"]), struck)
    if command.get("plant"):
        PLANTS[command["plant"]].plant()


def _tell_tasks() -> None:
    """Write where every task stands, for a process that doesn't end."""
    for task in asyncio.all_tasks():
        waits: Any = task.get_coro()
        places = []
        while (frame := getattr(waits, "cr_frame", None) or getattr(waits, "ag_frame", None)) is not None:
            places.append(f"{frame.f_code.co_filename}:{frame.f_lineno}")
            waits = getattr(waits, "cr_await", None) or getattr(waits, "ag_await", None)
        print(f"{task.get_name()} stands in {' > '.join(places)}", file=sys.stderr)


async def web(command: dict[str, Any]) -> None:
    """Run the server."""
    _guard(command)
    settings = read_settings()
    logs.configure(settings.log_level)
    await serve(settings)


async def worker(command: dict[str, Any]) -> None:
    """Run a worker."""
    _guard(command)
    settings = read_settings()
    logs.configure(settings.log_level)
    logging.getLogger("arq.worker").setLevel(logging.INFO)  # its word for each job is counted
    await work(settings, Path(command["ready"]), TEMPO)


def _recording(build: Callable[[Any], Any], data: Path, file: Path) -> Callable[[Any], Any]:
    """Have the hub note each request that isn't a read, and whether the app or a person made it."""

    @aiohttp.web.middleware
    async def note(request: aiohttp.web.Request, handler: Any) -> aiohttp.web.StreamResponse:
        if request.method not in {"GET", "HEAD"}:
            people = json.loads((data / "hub.json").read_text())["users"].values()
            token = request.headers.get("Authorization", "").rpartition(" ")[2]
            who = "person" if token in people else "app"
            with file.open("a") as written:
                written.write(json.dumps({"method": request.method, "path": request.path, "who": who}) + "\n")
        answer: aiohttp.web.StreamResponse = await handler(request)
        return answer

    def built(hub: Any) -> Any:
        application = build(hub)
        application.middlewares.append(note)
        return application

    return built


async def hub(command: dict[str, Any]) -> None:
    """Run the local GitHub on a data directory."""
    if requests := command.get("requests"):
        hub_main.server.build = _recording(hub_main.server.build, Path(command["data"]), Path(requests))
    await hub_main.run(
        hub_main.Options(
            data=Path(command["data"]),
            port=command["port"],
            imports=tuple(hub_main.Import(Path(path), owner, name) for path, owner, name in command["imports"]),
            manifest=Path(command["manifest"]),
            webhook_url=command["webhook_url"],
        )
    )


PROGRAMS: dict[str, Callable[[dict[str, Any]], Awaitable[None]]] = {"web": web, "worker": worker, "hub": hub}
