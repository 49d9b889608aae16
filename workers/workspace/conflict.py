"""Say what both sides of a merge made of the paths in conflict, and merge with the texts that settle them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from app.domain.ports import Conflicted
from app.errors import MergeConflict
from workers.workspace.command import Git, Identity
from workers.workspace.merge import commit_tree

LARGEST_TEXT = 60_000  # bytes of a file that a model can be asked to write anew
FILES = frozenset({"100644", "100755"})
LFS_POINTER = b"version https://git-lfs."

CONTENTS = "CONFLICT (contents)"
BINARY = "it isn't text"
DELETED = "one side deleted it"
MOVED = "it was moved, or is no longer the same kind of thing"
SPECIAL = "it is a link or a submodule"
LARGE = "it is too large"
UNNAMEABLE = "its name can't be written down"
OBSTACLES = {"CONFLICT (binary)": BINARY, "CONFLICT (modify/delete)": DELETED, "CONFLICT (rename/delete)": DELETED}


@dataclass(frozen=True)
class Version:
    """A file as one side has it."""

    mode: str
    blob: str


@dataclass
class Attempt:
    """What git made of a merge: the tree, the versions of the paths in conflict, and what else is wrong with them."""

    tree: str
    versions: dict[str, dict[int, Version]] = field(default_factory=dict)  # 1: base, 2: ours, 3: theirs
    obstacles: dict[str, str] = field(default_factory=dict)

    @property
    def paths(self) -> list[str]:
        """All paths that are not as the merge should have them."""
        return sorted({*self.versions, *self.obstacles})

    def obstacle(self, path: str) -> str | None:
        """Say why no text can settle what is wrong with a path; None where one can."""
        versions = self.versions.get(path, {})
        if path in self.obstacles:
            return self.obstacles[path]
        if not {2, 3} <= set(versions):
            return DELETED
        if any(version.mode not in FILES for version in versions.values()):
            return SPECIAL
        if self.mode(path) is None:
            return MOVED
        return None if path.isprintable() else UNNAMEABLE

    def mode(self, path: str) -> str | None:
        """Return the mode that the merged file has; None where the sides want different ones."""
        base, ours, theirs = (
            version.mode if (version := self.versions[path].get(stage)) else None for stage in (1, 2, 3)
        )
        if theirs in {ours, base}:
            return ours
        return theirs if ours == base else None


async def conflicts(git: Git, into: str, commit: str) -> tuple[Conflicted, ...]:
    """Return the paths in conflict, each with its three texts or with why a text can't settle it."""
    attempt = await _attempt(git, into, commit)
    return tuple([await _conflicted(git, attempt, path) for path in attempt.paths])


async def resolve(git: Git, identity: Identity, into: str, commit: str, message: str, files: Mapping[str, str]) -> str:
    """Merge `commit` into `into` with `files` in place of what conflicts; the same each time."""
    attempt = await _attempt(git, into, commit)
    unsettled = {*attempt.paths} ^ {*files} | {path for path in attempt.paths if attempt.obstacle(path)}
    if unsettled:
        paths = tuple(sorted(unsettled))
        raise MergeConflict(f"There is no text that settles the conflict in {', '.join(paths)}.", paths)
    tree = attempt.tree
    for path, text in sorted(files.items()):
        blob = await git("hash-object", "-w", "--stdin", input=text.encode())
        tree = await _with_file(git, tree, path.split("/"), Version(attempt.mode(path) or "", blob.text))
    return await commit_tree(git, identity, tree, message, (into, commit))


async def _attempt(git: Git, into: str, commit: str) -> Attempt:
    """Have git merge as far as it can."""
    output = await git("merge-tree", "--write-tree", "-z", "--messages", into, commit, codes=(0, 1))
    parts = iter(os.fsdecode(output.stdout).split("\0"))
    attempt = Attempt(next(parts))
    for entry in iter(lambda: next(parts, ""), ""):  # an empty part ends the list
        details, path = entry.split("\t", 1)
        mode, blob, stage = details.split(" ")
        attempt.versions.setdefault(path, {})[int(stage)] = Version(mode, blob)
    for paths, kind in _messages(parts):
        if kind.startswith("CONFLICT") and kind != CONTENTS:
            attempt.obstacles |= dict.fromkeys(paths, OBSTACLES.get(kind, MOVED))
    return attempt


def _messages(parts: Iterator[str]) -> Iterator[tuple[list[str], str]]:
    """Read what git says about paths: how many, which, the kind, and words that nobody needs."""
    for count in parts:
        if count:
            paths = [next(parts) for _ in range(int(count))]
            kind, _ = next(parts), next(parts)
            yield paths, kind


async def _conflicted(git: Git, attempt: Attempt, path: str) -> Conflicted:
    if obstacle := attempt.obstacle(path):
        return Conflicted(path, obstacle=obstacle)
    texts: dict[int, str] = {}
    for stage, version in attempt.versions[path].items():
        read = await git("cat-file", "blob", version.blob, limit=LARGEST_TEXT)
        if read.cut:
            return Conflicted(path, obstacle=LARGE)
        text = _text(read.stdout)
        if text is None:
            return Conflicted(path, obstacle=BINARY)
        texts[stage] = text
    return Conflicted(path, texts.get(1), texts[2], texts[3])


def _text(content: bytes) -> str | None:
    """Return what a person could have written; a pointer into LFS stands for something that isn't text."""
    if b"\0" in content or content.startswith(LFS_POINTER):
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


async def _with_file(git: Git, tree: str, path: Sequence[str], file: Version) -> str:
    """Return the tree with another file at a path that it has; needs no index, so that a killed process leaves none."""
    name, *rest = path
    entries = []
    for entry in (await git("ls-tree", "-z", tree)).items:
        details, called = entry.split("\t", 1)
        mode, kind, identity = details.split(" ")
        if called == name:
            inner = await _with_file(git, identity, rest, file) if rest else file.blob
            mode, identity = (mode, inner) if rest else (file.mode, inner)
        entries.append(f"{mode} {kind} {identity}\t{called}\0")
    return (await git("mktree", "-z", input=os.fsencode("".join(entries)))).text
