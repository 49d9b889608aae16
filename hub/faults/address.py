"""The address at which faults are switched on and off while the hub runs."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from hub.faults.board import Board
from hub.faults.switches import BadSwitch
from hub.faults.table import COMMON, TABLE

HERE = "/_faults"
Handler = Callable[[web.Request], Awaitable[web.Response]]


def add_routes(app: web.Application, board: Board) -> None:
    """Serve `/_faults`: GET shows, PUT replaces, POST adds, DELETE switches off."""

    async def show(_: web.Request) -> web.Response:
        return web.json_response(board.shown())

    async def known(_: web.Request) -> web.Response:
        faults = {name: {**asdict(fault), "options": dict(fault.options)} for name, fault in TABLE.items()}
        return web.json_response({"options": dict(COMMON), "faults": faults})

    async def change(request: web.Request) -> web.Response:
        wanted = await _wanted(request)
        name = request.match_info.get("name")
        if name is not None:
            board.add({name: wanted})
        elif request.method == "PUT":
            board.replace(wanted)
        else:
            board.add(wanted)
        return web.json_response(board.shown())

    async def stop(request: web.Request) -> web.Response:
        name = request.match_info.get("name")
        if name == "log":
            board.forget()
        elif name is None:
            board.clear()
        else:
            board.add({name: None})
        return web.json_response(board.shown())

    app.router.add_get(HERE, show)
    app.router.add_get(f"{HERE}/known", known)
    for path in (HERE, f"{HERE}/{{name}}"):
        app.router.add_put(path, _guarded(change))
        app.router.add_post(path, _guarded(change))
        app.router.add_delete(path, _guarded(stop))


def _guarded(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        if "Origin" in request.headers:  # a page that a person happens to have open has no say here
            return web.json_response({"message": "Faults are not switched from a web page."}, status=403)
        try:
            return await handler(request)
        except BadSwitch as error:
            return web.json_response({"message": str(error)}, status=400)

    return answer


async def _wanted(request: web.Request) -> Any:
    text = (await request.read()).decode(errors="replace").strip()
    try:
        return json.loads(text or "{}")
    except ValueError as error:
        raise BadSwitch(f"The body is no JSON: {error}.") from error
