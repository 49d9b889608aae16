"""Repositories: making them, importing them, their settings, refs and files."""

from __future__ import annotations

import base64
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from hub import git as commands
from hub.auth import Actor
from hub.context import Hub
from hub.errors import ApiError, custom, integration_refused, invalid, malformed
from hub.events import emit
from hub.git import GitError
from hub.repository import EMPTY_TREE, ZERO, Author, GitRepository, RefMoved, TreeEntry
from hub.services import accounts, apps, pushes, renames
from hub.services.accounts import person_of
from hub.services.merging import WEB_FLOW, author_of
from hub.services.push_notes import RefChange
from hub.store import Row
from hub.views.accounts import Json
from hub.views.repos import SETTINGS

NAME = re.compile(r"(?!\.{1,2}$)[\w.-]{1,100}")
WORKFLOWS = ".github/workflows/"
DEFAULT_LABELS = {
    "bug": ("d73a4a", "Something isn't working"),
    "documentation": ("0075ca", "Improvements or additions to documentation"),
    "enhancement": ("a2eeef", "New feature or request"),
    "question": ("d876e3", "Further information is requested"),
}


class CannotImport(Exception):
    """Say why a repository can't be imported, in a sentence for a person."""


def existing(source: Path) -> Path:
    """Name a directory absolutely; raise CannotImport when there is none."""
    if not source.is_dir():
        raise CannotImport(f"there is no directory {source} to import")
    return source.absolute()


async def import_repository(hub: Hub, source: Path, owner: Row, name: str, person: Row) -> Row:
    """Copy a local repository, branches and tags; the original is only read."""
    target = hub.places.repository(f"{owner['login']}/{name}")
    unfinished = target.with_suffix(".importing")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    try:
        clone = ["clone", "--quiet", "--bare", "--no-hardlinks", str(source), str(unfinished)]
        await commands.run(clone, hub.git_env)
        await _point_head(hub, source, GitRepository(unfinished, hub.git_env))
    except GitError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise CannotImport(f"git could not copy {source}: {error}") from error
    shutil.rmtree(target, ignore_errors=True)
    unfinished.rename(target)
    return register(hub, owner, name, person)


async def _point_head(hub: Hub, source: Path, copy: GitRepository) -> None:
    """Make the source's current branch the default one; a detached HEAD leaves main, master or the first."""
    branches = [ref.removeprefix("refs/heads/") for ref in copy.refs("refs/heads/")]
    try:
        head = await commands.run(["-C", str(source), "symbolic-ref", "--short", "HEAD"], hub.git_env)
        current = head.decode().strip()
    except GitError:
        current = next((name for name in ("main", "master", *branches) if name in branches), "main")
    await copy.git("symbolic-ref", "HEAD", f"refs/heads/{current}")


async def create_repository(hub: Hub, owner: Row, name: str, person: Row, data: Json) -> Row:
    """Make an empty repository, or one with a first commit when `auto_init` asks for it."""
    _check_name(hub, owner, name)
    path = hub.places.repository(f"{owner['login']}/{name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    await commands.run(["init", "--quiet", "--bare", "--initial-branch=main", str(path)], hub.git_env)
    repo = register(hub, owner, name, person, data)
    if data.get("auto_init"):
        git = hub.git(repo)
        readme = await git.write_blob(f"# {name}\n".encode())
        tree = await git.tree_with(EMPTY_TREE, "README.md", "100644", readme)
        sha = await git.write_commit(tree, [], "Initial commit\n", author_of(person), WEB_FLOW)
        await git.update_ref("refs/heads/main", sha, ZERO)
    return repo


def _check_name(hub: Hub, owner: Row, name: str, repository_id: int | None = None) -> None:
    """Refuse a name that is taken; unlike GitHub's, the hub's old names stay taken by what they lead to."""
    if not NAME.fullmatch(name):
        raise invalid("Repository", "name")
    there = accounts.find_repository(hub, owner["login"], name) or renames.now_at(hub, owner["login"], name)
    if there is not None and there["id"] != repository_id:
        raise custom("Repository", "name already exists on this account")


def register(hub: Hub, owner: Row, name: str, person: Row, data: Json | None = None) -> Row:
    """Write down a bare repository that is in its place, and tell the apps of its owner."""
    now, data = hub.store.now(), data or {}
    with hub.store.transaction():
        number = hub.store.insert(
            "repositories",
            owner_id=owner["id"],
            name=name,
            description=data.get("description"),
            private=int(bool(data.get("private"))),
            created_at=now,
            updated_at=now,
            pushed_at=now,
        )
        if person["id"] != owner["id"]:
            hub.store.execute("INSERT INTO collaborators VALUES (?, ?, 'admin')", number, person["id"])
        for label, (color, description) in DEFAULT_LABELS.items():
            hub.store.insert(
                "labels", repository_id=number, name=label, color=color, description=description, is_default=1
            )
        repo = accounts.repository_by_id(hub, number)
        apps.repository_added(hub, repo)
        emit(hub, repo, person, "repository", {"action": "created"})
    return repo


async def update_settings(hub: Hub, actor: Actor, repo: Row, data: Json) -> Row:
    """Change a repository's name, description and merge settings."""
    if data.get("name") and data["name"] != repo["name"]:
        _check_name(hub, repo["owner"], data["name"], repo["id"])
        repo = renames.rename(hub, person_of(actor), repo, data["name"])
    changes: Json = {name: int(bool(data[name])) for name in (*SETTINGS, "private") if data.get(name) is not None}
    if "description" in data:
        changes["description"] = data["description"]
    if data.get("default_branch"):
        if hub.git(repo).branch(data["default_branch"]) is None:
            raise invalid("Repository", "default_branch")
        await hub.git(repo).git("symbolic-ref", "HEAD", f"refs/heads/{data['default_branch']}")
    hub.store.update("repositories", repo["id"], **changes, updated_at=hub.store.now())
    return accounts.refresh(hub, repo)


def add_collaborator(hub: Hub, repo: Row, login: str, permission: str | None) -> None:
    """Give a person a role; GitHub would ask the person first."""
    role = {"pull": "read", "push": "write", None: "write"}.get(permission, permission)
    account = accounts.by_login(hub.store, login)
    if account is None or role not in {"read", "triage", "write", "maintain", "admin"}:
        raise invalid("Collaborator", "permission" if account else "username")
    hub.store.execute("INSERT OR REPLACE INTO collaborators VALUES (?, ?, ?)", repo["id"], account["id"], role)


# Refs ----------------------------------------------------------------------------------------------


async def create_ref(hub: Hub, actor: Actor, repo: Row, ref: str, sha: str) -> None:
    """Make a branch or tag."""
    git = hub.git(repo)
    if not ref.startswith(("refs/heads/", "refs/tags/")):
        message = "Reference name must start with 'refs/heads/' or 'refs/tags/'."
        raise ApiError(422, message) if ref.startswith("refs/") else malformed(message)
    kind = await git.kind(sha)
    if kind is None:
        raise ApiError(422, "Object does not exist")
    if ref.startswith("refs/heads/") and kind != "commit":
        raise ApiError(422, "Reference update failed: object is not a commit")
    if git.ref(ref) is not None:
        raise _exists()
    try:
        note = await pushes.move(hub, actor, repo, RefChange(ref, ZERO, sha))
    except RefMoved as error:
        raise _exists() from error
    except GitError as error:
        raise ApiError(422, f"Reference name is not valid: {error}") from error
    await pushes.follow(hub, actor, repo, note)


def _exists() -> ApiError:
    return ApiError(422, "Reference already exists")


async def update_ref(hub: Hub, actor: Actor, repo: Row, ref: str, sha: str, *, force: bool) -> None:
    """Move a ref; only forward unless forced."""
    git = hub.git(repo)
    old = git.ref(ref)
    if old is None:
        raise ApiError(422, "Reference does not exist")
    if await git.kind(sha) is None:
        raise ApiError(422, "Object does not exist")
    if not force and not await git.is_ancestor(old, sha):
        raise ApiError(422, "Update is not a fast forward")
    if old == sha:
        return
    try:
        note = await pushes.move(hub, actor, repo, RefChange(ref, old, sha))
    except RefMoved as error:
        raise ApiError(409, "Reference was updated by somebody else") from error
    await pushes.follow(hub, actor, repo, note)


async def delete_ref(hub: Hub, actor: Actor, repo: Row, ref: str) -> None:
    """Remove a branch or tag; the default branch stays."""
    git = hub.git(repo)
    old = git.ref(ref)
    if old is None:
        raise ApiError(422, "Reference does not exist")
    if ref == f"refs/heads/{git.default_branch()}":
        raise ApiError(422, "Cannot delete the default branch")
    try:
        note = await pushes.move(hub, actor, repo, RefChange(ref, old, ZERO))
    except RefMoved as error:
        raise ApiError(409, "Reference was updated by somebody else") from error
    await pushes.follow(hub, actor, repo, note)


# Files ---------------------------------------------------------------------------------------------


async def entry_at(git: GitRepository, commit: str, path: str) -> TreeEntry | None:
    """Find the file or directory at a path of a commit."""
    entries = await git.entries(commit, path)
    return entries[0] if entries else None


@dataclass(frozen=True, slots=True)
class Written:
    """A file just written: its commit, and whether it is new."""

    commit: str
    branch: str
    blob: str
    size: int
    created: bool


async def write_file(hub: Hub, actor: Actor, repo: Row, path: str, data: Json) -> Written:
    """Commit one file to a branch; a file that is there must be named by its current sha."""
    content = _decoded(data)
    if not data.get("message"):
        raise malformed('"message" wasn\'t supplied.')
    if path.startswith(WORKFLOWS) and actor.is_installation and not actor.allows("workflows", "write"):
        raise integration_refused()
    branch = data.get("branch") or repo["default_branch"]
    git = hub.git(repo)
    async with git.lock:
        old = git.branch(branch)
        if old is None and (data.get("branch") or git.refs("refs/heads/")):
            raise ApiError(404, f"Branch {branch} not found")
        present = await entry_at(git, old, path) if old else None
        _check_sha(path, present, data.get("sha"))
        blob = await git.write_blob(content)
        tree = (await git.commit(old)).tree if old else EMPTY_TREE
        tree = await git.tree_with(tree, path, present.mode if present else "100644", blob)
        author, committer = _signatures(actor, data)
        sha = await git.write_commit(tree, [old] if old else [], data["message"] + "\n", author, committer)
        try:
            note = await pushes.move(hub, actor, repo, RefChange(f"refs/heads/{branch}", old or ZERO, sha))
        except RefMoved as error:
            raise ApiError(409, f"{path} does not match {old}") from error
    await pushes.follow(hub, actor, repo, note)
    return Written(sha, branch, blob, len(content), present is None)


def _decoded(data: Json) -> bytes:
    if not isinstance(data.get("content"), str):
        raise malformed('"content" wasn\'t supplied.')
    try:
        return base64.b64decode("".join(data["content"].split()), validate=True)
    except ValueError as error:
        raise ApiError(422, "content is not valid Base64") from error


def _check_sha(path: str, present: TreeEntry | None, sha: str | None) -> None:
    if present is not None and present.kind != "blob":
        raise ApiError(422, f"{path} is a directory")
    if present is not None and sha is None:
        raise malformed('"sha" wasn\'t supplied.')
    if present is not None and sha != present.sha:
        raise ApiError(409, f"{path} does not match {sha}")


def _signatures(actor: Actor, data: Json) -> tuple[Author, Author]:
    mine = author_of(person_of(actor))
    given = {name: Author(**data[name]) for name in ("author", "committer") if data.get(name)}
    committer = given.get("committer") or (mine if "author" in given else WEB_FLOW)
    return given.get("author") or given.get("committer") or mine, committer
