"""One bare git repository: its refs, its objects, its merges."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from hub import git
from hub.diffs import Change, read_changes
from hub.git import GitError
from hub.store import timestamp

K = TypeVar("K")
V = TypeVar("V")

ZERO = "0" * 40
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_SHA = re.compile(r"[0-9a-f]{40}")
_REMEMBERED = 512
_COMMIT_FORMAT = "%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B%x00%x01"


@dataclass(frozen=True, slots=True)
class Signature:
    """Who wrote or committed something, and when (ISO 8601)."""

    name: str
    email: str
    date: str


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit, as git knows it."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Signature
    committer: Signature
    message: str


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One name in a directory of a commit."""

    mode: str
    kind: str
    sha: str
    size: int
    path: str


@dataclass(frozen=True, slots=True)
class Author:
    """The identity that a new commit is written with."""

    name: str
    email: str
    date: str | None = None


class Conflict(Exception):
    """Say that two commits can't be merged without a person."""


class RefMoved(Exception):
    """Say that a ref wasn't where the caller thought it was."""


class GitRepository:
    """Read and change one bare repository; what is named by a sha is remembered, for it can't change."""

    def __init__(self, path: Path, env: Mapping[str, str]) -> None:
        self.path = path
        self.lock = asyncio.Lock()
        self._env = env
        self._commits: dict[str, Commit] = {}
        self._changes: dict[tuple[str, str], tuple[Change, ...]] = {}
        self._merges: dict[tuple[str, str], str | None] = {}
        self._bases: dict[tuple[str, str], str | None] = {}
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}

    async def git(self, *arguments: str, stdin: bytes | None = None) -> str:
        """Run git in this repository; return its output as text."""
        output = await self.git_bytes(*arguments, stdin=stdin)
        return output.decode(errors="replace")

    async def git_bytes(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        return await git.run(["--git-dir", str(self.path), *arguments], self._env, stdin=stdin)

    # Refs ------------------------------------------------------------------------------------------

    def default_branch(self) -> str:
        """Read where HEAD points; an empty repository has a default branch too."""
        return (self.path / "HEAD").read_text().strip().removeprefix("ref: refs/heads/")

    def ref(self, name: str) -> str | None:
        """Read a full ref name (`refs/heads/main`) without starting a process."""
        if ".." in name or name.startswith("/"):
            return None
        try:
            return (self.path / name).read_text().strip() or None
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return self.packed_refs().get(name)
        except (OSError, ValueError):  # a name that the file system can't hold can't be a ref
            return None

    def packed_refs(self) -> dict[str, str]:
        try:
            text = (self.path / "packed-refs").read_text()
        except FileNotFoundError:
            return {}
        lines = (line.split(" ", 1) for line in text.splitlines() if line and line[0] not in "#^")
        return {name: sha for sha, name in lines}

    def branch(self, name: str) -> str | None:
        return self.ref(f"refs/heads/{name}")

    def refs(self, prefix: str) -> dict[str, str]:
        """List refs whose full name starts with `prefix`, sorted."""
        found = {name: sha for name, sha in self.packed_refs().items() if name.startswith(prefix)}
        for file in (self.path / "refs").rglob("*"):
            name = file.relative_to(self.path).as_posix()
            if name.startswith(prefix) and not name.endswith(".lock") and file.is_file():
                sha = self.ref(name)
                if sha:
                    found[name] = sha
        return dict(sorted(found.items()))

    async def update_ref(self, name: str, new: str, old: str) -> None:
        """Move a ref from `old` to `new` (ZERO for absent); raise RefMoved when it isn't at `old`."""
        try:
            if new == ZERO:
                await self.git("update-ref", "-d", name, old)
            else:
                await self.git("update-ref", name, new, old)
        except GitError as error:
            if self.ref(name) != (old if old != ZERO else None):
                raise RefMoved(name) from error
            raise

    # Objects ---------------------------------------------------------------------------------------

    async def resolve(self, name: str) -> str | None:
        """Find the commit that a branch, tag, full ref or (short) sha names."""
        for candidate in (f"refs/heads/{name}", f"refs/tags/{name}", f"refs/{name}", name):
            sha = self.ref(candidate) if candidate.startswith("refs/") else None
            if sha is not None and not candidate.startswith("refs/tags/"):
                return sha
            if sha is not None:
                return await self._peel(sha)
        if _SHA.fullmatch(name) and name in self._commits:
            return name
        if name == "HEAD":
            return self.branch(self.default_branch())
        return await self._peel(name) if re.fullmatch(r"[0-9a-f]{4,40}", name) else None

    async def _peel(self, name: str) -> str | None:
        try:
            return (await self.git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")).strip()
        except GitError:
            return None

    async def kind(self, sha: str) -> str | None:
        """Tell whether a sha is a commit, tag, tree or blob; None when there is no such object."""
        if sha in self._commits:
            return "commit"
        if not _SHA.fullmatch(sha):
            return None
        try:
            return (await self.git("cat-file", "-t", sha)).strip()
        except GitError:
            return None

    async def commit(self, sha: str) -> Commit:
        known = self._commits.get(sha)
        return known if known is not None else (await self.log(sha, limit=1))[0]

    async def log(self, revisions: str, limit: int, skip: int = 0, path: str | None = None) -> list[Commit]:
        """List commits, newest first: `sha` or `old..new`."""
        arguments = ["log", f"--format={_COMMIT_FORMAT}", f"-{limit}", f"--skip={skip}", revisions, "--"]
        text = await self.git(*arguments, *([path] if path else []))
        commits = [_commit(record) for record in text.split("\0\x01\n") if record]
        for commit in commits:
            _remember(self._commits, commit.sha, commit)
        return commits

    async def counts(self, base: str, head: str) -> tuple[int, int]:
        """Count the commits that only `base` has and those that only `head` has."""
        if (base, head) not in self._counts:
            text = await self.git("rev-list", "--left-right", "--count", f"{base}...{head}")
            behind, ahead = text.split()
            _remember(self._counts, (base, head), (int(behind), int(ahead)))
        return self._counts[base, head]

    async def merge_base(self, one: str, other: str) -> str | None:
        if (one, other) not in self._bases:
            try:
                base: str | None = (await self.git("merge-base", one, other)).strip()
            except GitError:
                base = None
            _remember(self._bases, (one, other), base)
        return self._bases[one, other]

    async def is_ancestor(self, old: str, new: str) -> bool:
        return old == new or await self.merge_base(old, new) == old

    async def changes(self, old: str, new: str) -> tuple[Change, ...]:
        """List changed files with their patches, from one commit or tree to another."""
        if (old, new) not in self._changes:
            raw = await self.git("diff", "--raw", "--numstat", "--no-abbrev", "-M", "-z", old, new)
            patch = await self.git("diff", "-M", "--no-color", old, new)
            _remember(self._changes, (old, new), read_changes(raw, patch))
        return self._changes[old, new]

    async def entries(self, commit: str, path: str) -> list[TreeEntry]:
        """List what is at `path`: the entry itself for a file, its children for `path` ending in `/`."""
        text = await self.git("ls-tree", "-l", "-z", commit, *(["--", path] if path else []))
        return [_entry(record) for record in text.split("\0") if record]

    async def blob(self, sha: str) -> bytes:
        return await self.git_bytes("cat-file", "blob", sha)

    # Writing ---------------------------------------------------------------------------------------

    async def merged_tree(self, base: str, head: str) -> str | None:
        """Merge two commits in memory; return the tree, or None when they conflict."""
        if (base, head) not in self._merges:
            try:
                tree: str | None = (await self.git("merge-tree", "--write-tree", base, head)).split()[0]
            except GitError as error:
                if error.status != 1:
                    raise
                tree = None
            _remember(self._merges, (base, head), tree)
        return self._merges[base, head]

    async def write_commit(self, tree: str, parents: list[str], message: str, author: Author, committer: Author) -> str:
        """Write a commit object that no ref names yet."""
        env = {
            **self._env,
            "GIT_AUTHOR_NAME": author.name,
            "GIT_AUTHOR_EMAIL": author.email,
            "GIT_COMMITTER_NAME": committer.name,
            "GIT_COMMITTER_EMAIL": committer.email,
        }
        if author.date:
            env["GIT_AUTHOR_DATE"] = author.date
        if committer.date:
            env["GIT_COMMITTER_DATE"] = committer.date
        flags = [flag for parent in parents for flag in ("-p", parent)]
        command = ["--git-dir", str(self.path), "commit-tree", tree, *flags]
        return (await git.run(command, env, stdin=message.encode())).decode().strip()

    async def write_blob(self, content: bytes) -> str:
        return (await self.git("hash-object", "-w", "--stdin", stdin=content)).strip()

    async def tree_with(self, tree: str, path: str, mode: str, blob: str | None) -> str:
        """Write a tree like `tree` but with `blob` (or nothing) at `path`."""
        directory, _, rest = path.partition("/")
        listing = (await self.git_bytes("ls-tree", "-z", tree)).decode(errors="surrogateescape").split("\0")
        lines = {record.split("\t", 1)[1]: record for record in listing if record}
        if rest:
            inner = lines[directory].split()[2] if " tree " in lines.get(directory, "") else EMPTY_TREE
            subtree = await self.tree_with(inner, rest, mode, blob)
            lines[directory] = f"040000 tree {subtree}\t{directory}"
            if subtree == EMPTY_TREE:
                del lines[directory]
        elif blob is None:
            lines.pop(directory, None)
        else:
            lines[directory] = f"{mode} blob {blob}\t{directory}"
        text = "".join(f"{line}\0" for line in lines.values())
        return (await self.git("mktree", "-z", stdin=text.encode(errors="surrogateescape"))).strip()


def _commit(record: str) -> Commit:
    sha, tree, parents, an, ae, ad, cn, ce, cd, message = record.split("\0")[:10]
    return Commit(
        sha=sha,
        tree=tree,
        parents=tuple(parents.split()),
        author=Signature(an, ae, _utc(ad)),
        committer=Signature(cn, ce, _utc(cd)),
        message=message.rstrip("\n"),
    )


def _utc(moment: str) -> str:
    return timestamp(datetime.fromisoformat(moment))


def _entry(record: str) -> TreeEntry:
    facts, path = record.split("\t", 1)
    mode, kind, sha, size = facts.split()
    return TreeEntry(mode, kind, sha, 0 if size == "-" else int(size), path)


def _remember(cache: dict[K, V], key: K, value: V) -> None:
    """Keep a fact that can't change, and let go of the oldest one when there are too many."""
    cache[key] = value
    if len(cache) > _REMEMBERED:
        del cache[next(iter(cache))]
