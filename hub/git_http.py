"""Git over HTTP: `git http-backend` behind the hub's tokens, and what a push sets off."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from hub import auth
from hub.auth import Actor
from hub.context import Hub
from hub.errors import ApiError, not_found
from hub.faults import both
from hub.faults import git as faults
from hub.faults.meeting import Meeting, meeting
from hub.permissions import at_least
from hub.services import accounts, push_notes, pushes, renames
from hub.store import Row, Store

log = logging.getLogger(__name__)

TIME_LIMIT = 600.0  # seconds for one fetch or push
CHUNK = 64 * 1024

PRE_RECEIVE = """\
#!/bin/sh
# Refuse workflow files from an app without the `workflows` permission, as GitHub does.
[ -n "$HUB_NO_WORKFLOWS" ] || exit 0
status=0
while read -r old new ref; do
  case "$new" in *[!0]*) ;; *) continue ;; esac
  files=$(git log --format= --name-only "$new" --not --all -- .github/workflows | sort -u)
  for file in $files; do
    echo "refusing to allow a GitHub App to create or update workflow \\`$file\\`" \\
      "without \\`workflows\\` permission" >&2
    status=1
  done
done
exit $status
"""

POST_RECEIVE = """\
#!/bin/sh
# Leave a note of what was pushed; the hub acts on it, after a crash as well.
cat > "$HUB_PUSH_NOTE.part" && mv "$HUB_PUSH_NOTE.part" "$HUB_PUSH_NOTE"
"""


def write_hooks(directory: Path) -> None:
    """Write the hooks that every repository runs."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in (("pre-receive", PRE_RECEIVE), ("post-receive", POST_RECEIVE)):
        hook = directory / name
        hook.write_text(text)
        hook.chmod(0o755)


def add_routes(app: web.Application, hub: Hub) -> None:
    """Serve the three addresses that git asks for."""

    async def serve(request: web.Request) -> web.StreamResponse:
        try:
            return await _serve(hub, request)
        except ApiError as error:
            return web.Response(status=error.status, text=error.message + "\n", headers=error.headers)

    app.router.add_get("/{owner}/{name}/info/refs", serve)
    app.router.add_post("/{owner}/{name}/{service:git-upload-pack|git-receive-pack}", serve)


def basic(store: Store, header: str) -> Actor | None:
    """Recognise the password of a Basic header as a token; the user name doesn't matter."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        _, _, password = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ApiError(401, "Bad credentials") from error
    return auth.by_token(store, password)


async def _serve(hub: Hub, request: web.Request) -> web.StreamResponse:
    service = request.match_info.get("service") or request.query.get("service", "")
    if service not in {"git-upload-pack", "git-receive-pack"}:
        raise ApiError(403, "Please upgrade your git client.")
    owner, name = request.match_info["owner"], request.match_info["name"].removesuffix(".git")
    actor = _caller(hub.store, request)
    met = meeting(hub, request, actor) if hub.faults.on else None
    if met is not None:
        await _meet(met, owner, name)
    repo = accounts.find_repository(hub, owner, name)
    if repo is None:
        _send_on(hub, request, actor, owner, name)
    pushing = service == "git-receive-pack"
    _allow(hub, repo, actor, pushing=pushing)
    if repo is None:
        raise not_found()
    env = _environment(hub, request, repo, actor)
    if not (pushing and request.method == "POST"):
        return await _backend(request, env)
    note = push_notes.begin(hub.places.pushes, repo, actor)
    env["HUB_PUSH_NOTE"] = str(note.moves)
    then = partial(pushes.follow, hub, actor, repo, note)
    if met is None or not faults.loses(met):
        return await _backend(request, env, then)
    await _backend(request, env, then, answering=False)
    met.cut()
    raise both.gone()


async def _meet(met: Meeting, owner: str, name: str) -> None:
    try:
        both.tokens(met)
    except ApiError as error:
        raise _unauthorized() from error
    await faults.before(met, owner, name)


def _send_on(hub: Hub, request: web.Request, actor: Actor, owner: str, name: str) -> None:
    """Lead from an old name to the present one; raises 301 where there is one."""
    repo = renames.now_at(hub, owner, name)
    if repo is not None and renames.visible(hub, repo, actor):
        rest = request.path_qs.split("/", 3)[3]
        raise renames.moved(f"/{repo['full_name']}.git/{rest}", reading=True)


def _caller(store: Store, request: web.Request) -> Actor:
    try:
        return basic(store, request.headers.get("Authorization", "")) or auth.ANONYMOUS
    except ApiError as error:
        if error.status != 401:  # a suspended app is known, and refused
            raise
        raise _unauthorized() from error


def _unauthorized() -> ApiError:
    return ApiError(401, "Invalid username or token.", headers={"WWW-Authenticate": 'Basic realm="GitHub"'})


def _allow(hub: Hub, repo: Row | None, actor: Actor, *, pushing: bool) -> None:
    """Refuse who may not fetch or push; an unknown caller is asked to say who it is."""
    if actor.is_anonymous and (repo is None or repo["private"] or pushing):
        raise _unauthorized()
    if repo is None:
        raise ApiError(404, "Repository not found.")
    if actor.installation is not None:
        mine = repo["owner_id"] == actor.installation["account_id"]
        chosen = actor.repository_ids is None or repo["id"] in actor.repository_ids
        if not (mine and chosen and actor.allows("contents", "read")):
            raise ApiError(403 if mine else 404, f"Permission to {repo['full_name']}.git denied.")
        allowed = actor.allows("contents", "write")
    else:
        role = accounts.role(hub.store, repo, actor.account)
        if role is None:
            raise ApiError(404, "Repository not found.")
        allowed = at_least(role, "write")
    if pushing and not allowed:
        login = actor.account["login"] if actor.account else "nobody"
        raise ApiError(403, f"Permission to {repo['full_name']}.git denied to {login}.")


def _environment(hub: Hub, request: web.Request, repo: Row, actor: Actor) -> dict[str, str]:
    rest = request.path.split("/", 3)[3]
    env = {
        **hub.git_env,
        "GIT_PROJECT_ROOT": str(hub.places.repositories),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{repo['full_name']}.git/{rest}",
        "QUERY_STRING": request.query_string,
        "REQUEST_METHOD": request.method,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "REMOTE_USER": actor.account["login"] if actor.account else "",
    }
    if "Git-Protocol" in request.headers:
        env["GIT_PROTOCOL"] = request.headers["Git-Protocol"]
    if actor.is_installation and not actor.allows("workflows", "write"):
        env["HUB_NO_WORKFLOWS"] = "1"
    return env


async def _backend(
    request: web.Request,
    env: dict[str, str],
    then: Callable[[], Coroutine[Any, Any, None]] | None = None,
    *,
    answering: bool = True,
) -> web.StreamResponse:
    """Let git answer; `then` is what must have happened before the caller has the whole answer.

    Without `answering` the caller has nothing of it.
    """
    process = await asyncio.create_subprocess_exec(
        "git",
        "http-backend",
        env=env,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise RuntimeError("a process was started without its pipes")
    answer = _answer if answering else _swallow
    try:
        async with asyncio.timeout(TIME_LIMIT):
            response, _, _ = await asyncio.gather(
                answer(request, process.stdout),
                _feed(request, process.stdin),
                _drain(process.stderr),
            )
            await process.wait()
            if then is not None:
                await asyncio.shield(then())
            if answering:
                await response.write_eof()
            return response
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _feed(request: web.Request, stdin: asyncio.StreamWriter) -> None:
    try:
        async for chunk in request.content.iter_chunked(CHUNK):  # aiohttp has undone gzip already
            stdin.write(chunk)
            await stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        return  # git has heard enough, and says why in its answer
    finally:
        stdin.close()


async def _drain(stderr: asyncio.StreamReader) -> None:
    complaint = await stderr.read()
    if complaint:
        log.info("git http-backend: %s", complaint.decode(errors="replace").strip())


async def _answer(request: web.Request, stdout: asyncio.StreamReader) -> web.StreamResponse:
    response = web.StreamResponse()
    while (line := (await stdout.readline()).strip()) != b"":
        name, _, value = line.decode().partition(": ")
        if name.lower() == "status":
            response.set_status(int(value.split()[0]))
        else:
            response.headers[name] = value
    await response.prepare(request)
    while chunk := await stdout.read(CHUNK):
        await response.write(chunk)
    return response


async def _swallow(_: web.Request, stdout: asyncio.StreamReader) -> web.StreamResponse:
    while await stdout.read(CHUNK):
        pass
    return web.StreamResponse()
