"""Put another content into one file of a commit, without a checkout: no link or odd path can lead out of the tree."""

import os

from app.errors import GitError
from workers.workspace.command import Git


async def rewritten(git: Git, commit: str, path: str, content: bytes) -> str:
    """Return the tree of `commit` with `content` in the regular file `path`; raises `GitError` where there is none."""
    made = (await git("hash-object", "-w", "--stdin", input=content)).text
    parts = path.split("/")
    for depth in reversed(range(len(parts))):
        listed = (await git("ls-tree", "-z", f"{commit}:{'/'.join(parts[:depth])}")).items
        kind = "100" if depth == len(parts) - 1 else "040000"
        if not any(_is(entry, parts[depth], kind) for entry in listed):
            raise GitError(f"There is no regular file {path!r}.")
        entries = [_replaced(entry, made) if _is(entry, parts[depth], kind) else entry for entry in listed]
        made = (await git("mktree", "-z", input=os.fsencode("".join(f"{entry}\0" for entry in entries)))).text
    return made


def _is(entry: str, name: str, kind: str) -> bool:
    details, _, found = entry.partition("\t")
    return found == name and details.startswith(kind)


def _replaced(entry: str, sha: str) -> str:
    details, _, name = entry.partition("\t")
    mode, kind, _ = details.split(" ")
    return f"{mode} {kind} {sha}\t{name}"
