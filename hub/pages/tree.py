"""Find what an address names in a repository: a branch, tag or commit, and a path in it."""

from __future__ import annotations

from hub.errors import not_found
from hub.repository import GitRepository, TreeEntry


async def named(git: GitRepository, rest: str) -> tuple[str, str, str]:
    """Read `BRANCH/path`, where both may hold slashes; give the branch (tag, sha), its commit and the path."""
    if "\0" in rest:  # no name has it, and no command takes it
        raise not_found()
    parts = rest.strip("/").split("/")
    for count in range(1, len(parts) + 1):
        name = "/".join(parts[:count])
        # No branch can be a directory of another one, so the first that is there is the one meant.
        if git.branch(name) or git.ref(f"refs/tags/{name}") or count == 1:
            sha = await git.resolve(name)
            if sha is not None:
                return name, sha, "/".join(parts[count:])
    raise not_found()


async def entry_at(git: GitRepository, commit: str, path: str) -> TreeEntry:
    """Find the file or directory at a path."""
    found = [one for one in await git.entries(commit, path) if one.path == path]
    if not found:
        raise not_found()
    return found[0]


async def children(git: GitRepository, commit: str, path: str) -> list[TreeEntry]:
    """List a directory, directories first."""
    entries = await git.entries(commit, f"{path}/" if path else "")
    return sorted(entries, key=lambda one: (one.kind != "tree", one.path))
