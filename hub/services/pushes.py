"""What follows when refs move: push webhooks, pull requests brought up to date, check suites requested."""

from __future__ import annotations

from hub.auth import Actor
from hub.context import Hub
from hub.diffs import Change
from hub.events import emit
from hub.git import GitError
from hub.repository import EMPTY_TREE, ZERO, Commit, GitRepository, RefMoved
from hub.services import accounts, checks, merged, places, pull_rows, pulls, push_notes, telling
from hub.services.accounts import person_of
from hub.services.push_notes import Note, RefChange
from hub.store import Row
from hub.views.accounts import Json
from hub.views.commits import pushed_commit

MOST_COMMITS = 20  # GitHub lists up to 2048; nobody here reads so many


async def move(hub: Hub, actor: Actor, repo: Row, change: RefChange) -> Note:
    """Move one ref by compare-and-swap; `follow` the note that comes back. Raises RefMoved."""
    note = push_notes.begin(hub.places.pushes, repo, actor)
    note.write([change])
    try:
        await hub.git(repo).update_ref(change.ref, change.new, change.old)
    except (RefMoved, GitError):
        note.forget()
        raise
    return note


async def follow(hub: Hub, actor: Actor, repo: Row, note: Note) -> None:
    """Do what follows from the moves of a note, and forget it."""
    await settle(hub, actor, repo, note.changes())
    note.forget()


async def follow_leftovers(hub: Hub) -> None:
    """Do what follows from moves that a killed process made and did not live to follow."""
    for note in push_notes.leftovers(hub.places.pushes):
        repository_id, account_id = note.who()
        repo, actor = accounts.repository_by_id(hub, repository_id), Actor(account=accounts.need(hub.store, account_id))
        moved = [one for one in note.changes() if (hub.git(repo).ref(one.ref) or ZERO) != one.old]
        await settle(hub, actor, repo, moved)
        note.forget()


async def settle(hub: Hub, actor: Actor, repo: Row, changes: list[RefChange]) -> None:
    """Do everything that follows from refs that have moved already."""
    for change in changes:
        payload = await _push_payload(hub, actor, repo, change)
        with hub.store.transaction():
            now = hub.store.now()
            hub.store.update("repositories", repo["id"], pushed_at=now, updated_at=now)
            _tell_branch(hub, actor, repo, change)
            emit(hub, repo, person_of(actor), "push", payload)
        if change.branch is not None:
            await _settle_branch(hub, actor, repo, change.branch, change)


async def _settle_branch(hub: Hub, actor: Actor, repo: Row, branch: str, change: RefChange) -> None:
    for row in pull_rows.open_with_head(hub, repo, branch):
        if change.deleted:
            await pulls.close(hub, actor, repo, row)
        else:
            await _synchronize(hub, actor, repo, row, change)
    if not change.deleted:
        await checks.request_suites(hub, actor, repo, branch, change.old, change.new)
        await merged.find_merged(hub, actor, repo, branch)


async def _synchronize(hub: Hub, actor: Actor, repo: Row, row: Row, change: RefChange) -> None:
    git = hub.git(repo)
    await git.git("update-ref", f"refs/pull/{row['number']}/head", change.new)
    base = git.branch(row["base_ref"]) or row["base_sha"]
    facts = await pull_rows.facts(hub, repo, row)
    followed = await places.followed(hub, repo, row, change.new)
    with hub.store.transaction():
        hub.store.update("pulls", row["id"], head_sha=change.new, base_sha=base)
        hub.store.update("issues", row["issue"]["id"], updated_at=hub.store.now())
        places.keep(hub, followed)
        fresh = {**pull_rows.find(hub, repo, row["number"]), "facts": facts}
        telling.of_pull(hub, actor, repo, "synchronize", fresh, before=change.old, after=change.new)


def _tell_branch(hub: Hub, actor: Actor, repo: Row, change: RefChange) -> None:
    if not (change.created or change.deleted):
        return
    name = change.ref.split("/", 2)[2]
    payload: Json = {
        "ref": name,
        "ref_type": "branch" if change.branch is not None else "tag",
        "pusher_type": "user",
    }
    if change.created:
        payload |= {"master_branch": repo["default_branch"], "description": repo["description"]}
    emit(hub, repo, person_of(actor), "create" if change.created else "delete", payload)


async def _push_payload(hub: Hub, actor: Actor, repo: Row, change: RefChange) -> Json:
    git, full_name = hub.git(repo), repo["full_name"]
    commits = [] if change.deleted else await _new_commits(git, repo, change)
    shown = [pushed_commit(hub.urls, full_name, one, await _of(git, one.sha, one.parents)) for one in commits]
    person = person_of(actor)
    forced = not (change.created or change.deleted) and not await git.is_ancestor(change.old, change.new)
    old, new = change.old[:12], change.new[:12]
    return {
        "ref": change.ref,
        "before": change.old,
        "after": change.new,
        "base_ref": None,
        "created": change.created,
        "deleted": change.deleted,
        "forced": forced,
        "compare": hub.urls.page(full_name, "compare", f"{old}...{new}"),
        "commits": shown,
        "head_commit": shown[-1] if shown else None,
        "pusher": {"name": person["login"], "email": person["email"]},
    }


async def _new_commits(git: GitRepository, repo: Row, change: RefChange) -> list[Commit]:
    start = change.old
    if change.created:
        default = git.branch(repo["default_branch"])
        start = default if default and default != change.new else ""
    sha = await git.resolve(change.new) or change.new
    if await git.kind(sha) != "commit":
        return []
    revisions = f"{start}..{sha}" if start else sha
    commits = await git.log(revisions, MOST_COMMITS) or [await git.commit(sha)]
    return commits[::-1]


async def _of(git: GitRepository, sha: str, parents: tuple[str, ...]) -> tuple[Change, ...]:
    return await git.changes(parents[0] if parents else EMPTY_TREE, sha)


async def reconcile(hub: Hub, actor: Actor, repo: Row) -> None:
    """Finish what a killed process began: merges whose commit is in the base already."""
    for row in pull_rows.listed(hub, repo, "open", None, None):
        if hub.git(repo).branch(row["head_ref"]) is None:
            await pulls.close(hub, actor, repo, row)
    for name in {row["base_ref"] for row in pull_rows.listed(hub, repo, "open", None, None)}:
        await merged.find_merged(hub, actor, repo, name)
