"""Faults of merging: a commit that lands on the base or the head at the last moment."""

from __future__ import annotations

from hub.auth import Actor
from hub.context import Hub
from hub.faults.switches import Occasion
from hub.repository import Author
from hub.services import accounts, pushes
from hub.services.push_notes import RefChange
from hub.store import Row

MESSAGE = "Land just before a merge\n"


async def meddle(hub: Hub, repo: Row, row: Row) -> None:
    """Move the base or the head of a pull request that is about to be merged."""
    occasion = Occasion("PUT", f"/repos/{repo['full_name']}/pulls/{row['number']}/merge")
    for name, branch in (("base-moved", row["base_ref"]), ("head-moved", row["head_ref"])):
        if switch := hub.faults.due(name, occasion):
            hub.faults.fired(switch, occasion)
            await _land(hub, repo, branch)


async def _land(hub: Hub, repo: Row, branch: str) -> None:
    """Commit to a branch as an admin of the repository would, without a change to any file."""
    git, person = hub.git(repo), accounts.admin_of(hub.store, repo)
    old = git.branch(branch)
    if old is None:
        return
    author = Author(person["name"] or person["login"], person["email"] or "")
    new = await git.write_commit((await git.commit(old)).tree, [old], MESSAGE, author, author)
    actor = Actor(account=person)
    note = await pushes.move(hub, actor, repo, RefChange(f"refs/heads/{branch}", old, new))
    await pushes.follow(hub, actor, repo, note)
