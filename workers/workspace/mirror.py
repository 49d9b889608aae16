"""The one mirror of a repository on this machine, and everything that is read from and made in it."""

import asyncio
import base64
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import urlsplit

from app.domain.ports import Change, Conflicted, Forge, Forges
from app.domain.project import Repository
from app.edges import Edge, edge
from app.errors import GitError, Transient
from workers.workspace import changes, conflict, merge, push
from workers.workspace.command import NETWORK_SECONDS, NOTHING, Git, Identity, Output, Secret, require_git
from workers.workspace.locks import locked, release, try_lock
from workers.workspace.places import Places
from workers.workspace.worktree import Checkout, remove

LARGEST_DIFF = 400_000  # bytes
LARGEST_WORDS = 6_000  # bytes of commit messages
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,150}")
_HEADS = "+refs/heads/*:refs/heads/*"


class Clones:
    """All mirrors and worktrees under one data directory."""

    def __init__(self, data_dir: Path, forges: Forges, identity: Identity | None = None) -> None:
        """Keep mirrors of what `forges` knows; commits are by `identity`."""
        self._data_dir = data_dir.resolve()
        self._forges = forges
        self._identity = identity or Identity()
        self._mirrors: dict[tuple[Repository, bool], Mirror] = {}
        self._one_at_a_time = asyncio.Lock()

    async def of(self, repository: Repository, *, sign_off: bool = False) -> "Mirror":
        """Return the mirror, cloned first when it isn't there; with `sign_off` its commits say who signs them off.

        Raises `GitError` or `Transient`.
        """
        async with self._one_at_a_time:
            if (known := self._mirrors.get((repository, sign_off))) is not None and known.touch():
                return known
            if not self._mirrors:
                await require_git()
            mirror = self._mirror(repository, replace(self._identity, signs_off=sign_off))
            await mirror.prepare()
            self._mirrors[repository, sign_off] = mirror
            mirror.touch()
            return mirror

    async def prune(self, keep: timedelta) -> int:
        """Remove mirrors that nobody has used for so long, by any process; return how many."""
        removed = 0
        for home in await asyncio.to_thread(lambda: list((self._data_dir / "mirrors").glob("*/*.git"))):
            removed += await asyncio.to_thread(_discard, home, time.time() - keep.total_seconds())
        return removed

    def _mirror(self, repository: Repository, identity: Identity) -> "Mirror":
        owner, _, name = repository.full_name.partition("/")
        for part in (owner, name):
            _require_plain(part)
        home = self._data_dir / "mirrors" / owner / f"{name}.git"
        worktrees = self._data_dir / "worktrees" / owner / name
        return Mirror(home, worktrees, self._forges.of(repository), identity)


class Mirror:
    """A bare copy of a repository's branches; commits are made here and pushed from here."""

    def __init__(self, home: Path, worktrees: Path, forge: Forge, identity: Identity) -> None:
        """Name the directories of the mirror and of its worktrees; nothing is read or written yet."""
        self._home = home
        self._lock = home.with_name(home.name + ".lock")
        self._places = Places(worktrees, home)
        self._forge = forge
        self._identity = identity
        self._git = Git(home)
        self._url = ""
        self._fetching = asyncio.Lock()
        self._asked = 0
        self._served = 0

    # --- keeping the mirror

    def touch(self) -> bool:
        """Note that the mirror is used; return whether it is still there."""
        try:
            os.utime(self._home)
        except FileNotFoundError:
            return False
        return True

    async def prepare(self) -> None:
        """Clone what isn't there, and clear away what processes that are gone left behind."""
        async with locked(self._lock, NETWORK_SECONDS) as lock:
            for unfinished in self._home.parent.glob(f".{self._home.name}.*"):
                await asyncio.to_thread(remove, unfinished)
            if not self._home.is_dir():
                await self._clone(lock)
        await asyncio.to_thread(self._places.clear)

    async def fetch(self) -> None:
        """Bring all branches up to date; those who ask while a fetch runs share the next one."""
        self._asked += 1
        ticket = self._asked
        async with self._fetching:
            if self._served >= ticket:
                return
            serving = self._asked
            async with locked(self._lock, NETWORK_SECONDS) as lock:
                self._remove_stale_locks()
                await self._fetch_into(self._git, lock)
            self._served = serving

    async def _clone(self, lock: int) -> None:
        unfinished = Path(mkdtemp(prefix=f".{self._home.name}.", dir=self._home.parent))
        await Git(unfinished)("init", "--quiet", "--bare", "--template=")
        await self._fetch_into(Git(unfinished), lock)
        await asyncio.to_thread(unfinished.rename, self._home)

    async def _fetch_into(self, git: Git, lock: int, wanted: str = _HEADS) -> None:
        options = ("--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--force")

        async def fetch(url: str, secret: Secret) -> Output:
            return await git("fetch", *options, "--", url, wanted, timeout=NETWORK_SECONDS, secret=secret, keep=(lock,))

        await self._with_remote(fetch)

    async def _have(self, commit: str) -> None:
        """Fetch a commit that no branch holds any more, where this machine has never seen it."""
        known = await self._git("cat-file", "-e", f"{commit}^{{commit}}", codes=(0, 1, 128))
        if known.code:
            async with locked(self._lock, NETWORK_SECONDS) as lock:
                await self._fetch_into(self._git, lock, commit)

    def _remove_stale_locks(self) -> None:
        # Refs are only written by who holds our lock, and a git process inherits it: these have no owner.
        for stale in (*self._home.glob("*.lock"), *self._home.glob("refs/**/*.lock")):
            stale.unlink(missing_ok=True)

    async def _with_remote(self, action: Callable[[str, Secret], Awaitable[Output]]) -> Output:
        """Do something with the remote, once more when it has moved, or when only the first try met an outage.

        In between it is asked by REST where the remote is, which also renews a token that git was refused with.
        """
        url = self._url or (await self._forge.info()).clone_url
        try:
            output = await action(url, _secret(url, await self._forge.token()))
        except (GitError, Transient) as error:
            moved = (await self._forge.info()).clone_url
            if moved == url and isinstance(error, GitError):
                raise
            url = moved
            output = await action(url, _secret(url, await self._forge.token()))
        self._url = url
        return output

    # --- reading

    async def head(self, branch: str) -> str | None:
        """Return where a branch is as of the last fetch or push."""
        answer = await self._git("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", codes=(0, 1))
        return answer.text or None

    async def files(self, commit: str) -> list[str]:
        """Return the paths of all files of a commit, in git's order."""
        listed = await self._git("ls-tree", "-r", "-z", "--name-only", commit)
        return [path for path in listed.text.split("\0") if path]

    async def read(self, commit: str, path: str) -> bytes | None:
        """Return the content of a regular file; None when there is none at `path`."""
        found = (await self._git("ls-tree", "-z", "--full-tree", commit, "--", path)).items
        if len(found) != 1 or not found[0].startswith("100"):
            return None
        details, name = found[0].split("\t", 1)
        if name != path:
            return None
        return (await self._git("cat-file", "blob", details.split(" ")[2])).stdout

    async def diff(self, base: str, commit: str) -> str:
        """Return the difference for people and models to read, cut where it gets too long."""
        options = ("-M", "--no-ext-diff", "--no-textconv", "--no-color")
        output = await self._git("diff", *options, base, commit, limit=LARGEST_DIFF)
        note = f"\n… cut here: the difference is longer than {LARGEST_DIFF // 1000} kB.\n" if output.cut else ""
        return output.stdout.decode("utf-8", "replace") + note

    async def changes(self, base: str, commit: str) -> list[Change]:
        """Return what differs between two commits."""
        return changes.parse((await self._git("diff", *changes.DIFF, base, commit)).stdout)

    async def tree(self, commit: str) -> str:
        """Return the id of a commit's tree."""
        return (await self._git("rev-parse", "--verify", "--quiet", f"{commit}^{{tree}}")).text

    async def subjects(self, commit: str, most: int) -> list[str]:
        """Return the first lines of the last commits up to `commit`, merges left out, newest first."""
        log = await self._git(
            "log", "-z", "--no-merges", f"--max-count={most}", "--format=%s", "--end-of-options", commit
        )
        return log.items

    async def is_ancestor(self, ancestor: str, commit: str) -> bool:
        """Return whether `commit` contains `ancestor`."""
        return await merge.is_ancestor(self._git, ancestor, commit)

    async def conflicts(self, into: str, commit: str) -> tuple[Conflicted, ...]:
        """Return the paths in conflict with their three texts."""
        return await conflict.conflicts(self._git, into, commit)

    async def words(self, commit: str, but_not: str) -> str:
        """Return the newest messages of the commits that only `commit` contains, the newest first."""
        options = ("--no-merges", "--max-count=20", "--format=- %B", "--no-show-signature", "--no-color")
        said = await self._git("log", *options, "--end-of-options", commit, f"^{but_not}", limit=LARGEST_WORDS)
        return said.stdout.decode("utf-8", "replace").strip()

    # --- writing

    async def merge(self, into: str, commit: str, message: str) -> str:
        """Merge without a worktree and return the merge's sha; raises `MergeConflict`."""
        return await merge.merge(self._git, self._identity, into, commit, message)

    async def take_back(self, onto: str, merged: str, work: tuple[str, str], message: str) -> str:
        """Commit on `onto` what it is without `merged`, which came of `work`; raises `MergeConflict`."""
        await self._have(work[1])
        return await merge.take_back(self._git, self._identity, onto, merged, work, message)

    async def rewrite(self, commit: str, path: str, content: bytes, message: str) -> str:
        """Commit `content` as the regular file `path` onto `commit`, all else as it is; return the commit's sha."""
        return await merge.rewrite(self._git, self._identity, commit, path, content, message)

    async def resolve(self, into: str, commit: str, message: str, files: Mapping[str, str]) -> str:
        """Merge without a worktree, with these texts where the sides conflict."""
        return await conflict.resolve(self._git, self._identity, into, commit, message, files)

    async def push(self, commit: str, branch: str, expected: str | None) -> None:
        """Make the remote branch point to `commit` if it is at `expected` (None: absent) or there already.

        Raises `PushRejected` otherwise, `Transient` when the other side can't be reached.
        """
        ref = f"refs/heads/{branch}"

        async def send(url: str, secret: Secret) -> Output:
            lease = f"--force-with-lease={ref}:{expected or ''}"
            arguments = ("--porcelain", "--no-verify", "--no-signed", lease, "--", url, f"{commit}:{ref}")
            return await self._git("push", *arguments, codes=(0, 1), timeout=NETWORK_SECONDS, secret=secret)

        output = await edge(Edge.pushed, "create" if expected is None else "move", lambda: self._with_remote(send))
        refused = push.refusal(output)
        if refused is not None and not (refused.moved and await self._remote_head(ref) == commit):
            raise push.error(branch, refused)
        async with locked(self._lock, NETWORK_SECONDS) as lock:
            await self._git("update-ref", ref, commit, keep=(lock,))

    async def _remote_head(self, ref: str) -> str | None:
        async def ask(url: str, secret: Secret) -> Output:
            return await self._git("ls-remote", "--", url, ref, timeout=NETWORK_SECONDS, secret=secret)

        return ((await self._with_remote(ask)).text.split("\t")[0]) or None

    # --- worktrees

    def worktree(self, name: str, base: str, at: str | None = None) -> AbstractAsyncContextManager[Checkout]:
        """Check out `base` (or the files of `at`, compared with `base`) under `name`; removed at the end."""
        _require_plain(name)
        return self._checkout(name, base, at)

    @asynccontextmanager
    async def _checkout(self, name: str, base: str, at: str | None) -> AsyncIterator[Checkout]:
        path, lock = self._places.take(name)
        try:
            git = await edge(Edge.checked_out, "make", lambda: asyncio.to_thread(self._places.prepare, path))
            await git("read-tree", "--reset", "-u", base)
            if at is not None:
                await git("read-tree", "--reset", "-u", at)
                await git("read-tree", "--reset", base)
            yield Checkout(git, path, base, self._identity)
        finally:
            remove = partial(asyncio.to_thread, self._places.give_up, path, lock)
            await _to_the_end(edge(Edge.checked_out, "remove", remove))


def _discard(home: Path, before: float) -> bool:
    """Remove a mirror that wasn't used since, unless somebody is at it."""
    lock = home.with_name(home.name + ".lock")
    if home.stat().st_mtime >= before or (descriptor := try_lock(lock)) is None:
        return False
    try:
        if home.stat().st_mtime >= before:
            return False
        doomed = home.with_name(f".{home.name}.removed")  # as if it had never been finished
        home.rename(doomed)
        remove(doomed)
        return True
    finally:
        release(lock, descriptor)


def _require_plain(name: str) -> None:
    if not _NAME.fullmatch(name) or ".." in name or name.endswith((".", ".lock", ".git")):
        raise GitError(f"{name[:100]!r} can't be the name of a directory; use letters, digits, '.', '_' and '-'.")


def _secret(url: str, token: str) -> Secret:
    """Bind the token to the scheme and host of `url`."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not token:
        return NOTHING
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    header = {f"http.{parts.scheme}://{parts.netloc}/.extraHeader": f"Authorization: Basic {basic}"}
    return Secret(header, (token, basic))


async def _to_the_end(work: Awaitable[None]) -> None:
    """Finish `work` even when cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
