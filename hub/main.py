"""Put the hub together and run it: open the data directory, import, register the app, serve."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from hub import git, git_http, server
from hub.auth import Actor, digest, issue_user_token
from hub.context import Hub, Places
from hub.faults.board import Board
from hub.manifest import Manifest
from hub.manifest import read as read_manifest
from hub.services import accounts, apps, pushes, renames, repos
from hub.store import Row, Store
from hub.views.accounts import Json
from hub.views.urls import Urls
from hub.webhooks import Outbox

PERSON = "you"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - an address to listen on is no address to speak to


@dataclass(frozen=True, slots=True)
class Import:
    """A local repository to be copied under a name."""

    path: Path
    owner: str
    name: str


@dataclass(frozen=True, slots=True)
class Options:
    """What the hub is started with."""

    data: Path
    port: int = 0
    host: str = "127.0.0.1"
    imports: tuple[Import, ...] = ()
    users: tuple[str, ...] = ()
    manifest: Path | None = None
    webhook_url: str | None = None
    faults: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Running:
    """A hub that serves: its parts, and what `hub.json` says of it."""

    hub: Hub
    description: Json

    @property
    def url(self) -> str:
        return str(self.description["url"])


@asynccontextmanager
async def serving(options: Options) -> AsyncIterator[Running]:
    """Serve until the block ends; everything is in the data directory then, for the next start."""
    listener = socket.create_server((options.host, options.port), reuse_port=False)
    host = "127.0.0.1" if options.host == EVERYWHERE else options.host
    url = f"http://{host}:{listener.getsockname()[1]}"
    hub = open_hub(options, url)
    runner = web.AppRunner(server.build(hub), access_log=None)
    try:
        description = await prepare(hub, options)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        async with hub.outbox.sending():
            yield Running(hub, description)
    finally:
        await runner.cleanup()
        hub.store.close()
        listener.close()


def open_hub(options: Options, url: str) -> Hub:
    """Open the data directory, making it when it isn't there."""
    places = Places(options.data.absolute())
    places.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    for directory in (places.repositories, places.pushes):
        directory.mkdir(parents=True, exist_ok=True)
    git_http.write_hooks(places.hooks)
    git.write_config(places.git_config, places.hooks)
    store, faults = Store(places.database), Board(options.faults)
    return Hub(places, store, Outbox(store, faults), Urls(api=url, web=url), faults)


async def prepare(hub: Hub, options: Options) -> Json:
    """Make the people, repositories and app that the options ask for, and write `hub.json`."""
    known = _known(hub.places.description)
    logins = dict.fromkeys((PERSON, *options.users))
    tokens = {login: _token(hub.store, login, known.get("users", {}).get(login)) for login in logins}
    person = accounts.ensure(hub.store, PERSON, "User")
    for one in options.imports:
        here = accounts.find_repository(hub, one.owner, one.name) or renames.now_at(hub, one.owner, one.name)
        if here is None:
            owner = accounts.ensure(hub.store, one.owner, "Organization")
            await repos.import_repository(hub, repos.existing(one.path), owner, one.name, person)
    described: Json = {"url": hub.urls.web, "api_url": hub.urls.api, "app": None, "users": tokens}
    if options.manifest is not None:
        manifest = read_manifest(options.manifest).with_webhook(options.webhook_url)
        described["app"] = _ensure_app(hub, manifest, person)
    hub.outbox.forget_old()
    await _finish_what_was_begun(hub, person)
    _write_private(hub.places.description, json.dumps(described, indent=2) + "\n")
    return described


def _known(path: Path) -> dict[str, Any]:
    """Read what a former start wrote; tokens are kept in the store as hashes only."""
    try:
        known: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return known


def _token(store: Store, login: str, known: str | None) -> str:
    account = accounts.ensure(store, login, "User")
    if known and store.one("SELECT 1 FROM tokens WHERE hash = ?", digest(known)):
        return known
    return issue_user_token(store, account)


def _ensure_app(hub: Hub, manifest: Manifest, person: Row) -> Json:
    key_file = hub.places.data / f"{manifest.slug}.private-key.pem"
    app = hub.store.one("SELECT * FROM apps WHERE slug = ?", manifest.slug)
    if app is None:
        registered = apps.register(hub, manifest, person)
        app = registered.app
        _write_private(key_file, registered.private_key)
    else:
        app = apps.update(hub, app, manifest)
    return {
        "id": app["id"],
        "slug": app["slug"],
        "client_id": app["client_id"],
        "private_key_file": str(key_file),
        "webhook_secret": app["webhook_secret"],
    }


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.replace(path)


async def _finish_what_was_begun(hub: Hub, person: Row) -> None:
    await pushes.follow_leftovers(hub)
    for row in hub.store.all("SELECT id FROM repositories"):
        await pushes.reconcile(hub, Actor(account=person), accounts.repository_by_id(hub, row["id"]))


async def run(options: Options) -> None:
    """Serve until the process is told to end, having printed the address."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    async with serving(options) as running:
        print(running.url, flush=True)  # noqa: T201 - the address is what this command says
        await stopped.wait()
