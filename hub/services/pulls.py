"""Pull requests: opening, editing and what git says about them."""

from __future__ import annotations

from hub.auth import Actor
from hub.context import Hub
from hub.errors import ApiError, custom, invalid, malformed
from hub.repository import ZERO
from hub.services import accounts, issue_rows, pull_rows, telling, texts
from hub.services.accounts import person_of
from hub.store import Row
from hub.views.accounts import Json, user


async def create(hub: Hub, actor: Actor, repo: Row, data: Json) -> Row:
    """Open a pull request for a branch of the same repository."""
    head_ref, base_ref = _branch_names(repo, data)
    git = hub.git(repo)
    head, base = git.branch(head_ref), git.branch(base_ref)
    if head is None:
        raise invalid("PullRequest", "head")
    if base is None:
        raise invalid("PullRequest", "base")
    _refuse_duplicate(hub, repo, head_ref, base_ref)
    if await git.merge_base(base, head) is None:
        message = f"The {head_ref} branch has no history in common with {base_ref}"
        raise custom("PullRequest", message)
    if (await git.counts(base, head))[1] == 0:
        raise custom("PullRequest", f"No commits between {base_ref} and {head_ref}")
    title = texts.checked_title(data.get("title"), "PullRequest")
    body = texts.checked_body(data.get("body"), "PullRequest")
    planned: Row = {
        "repository_id": repo["id"],
        "head_ref": head_ref,
        "base_ref": base_ref,
        "head_sha": head,
        "base_sha": base,
        "draft": int(bool(data.get("draft"))),
    }
    facts = await pull_rows.facts(hub, repo, {**planned, "issue": {"state": "open"}})
    with hub.store.transaction():
        _refuse_duplicate(hub, repo, head_ref, base_ref)
        number = issue_rows.insert(hub, actor, repo, title, body)
        hub.store.insert("pulls", issue_id=issue_rows.load(hub, repo, number)["id"], **planned)
        row = {**pull_rows.find(hub, repo, number), "facts": facts}
        telling.of_pull(hub, actor, repo, "opened", row)
    await git.update_ref(f"refs/pull/{number}/head", head, ZERO)
    return row


def _branch_names(repo: Row, data: Json) -> tuple[str, str]:
    for field in ("head", "base"):
        if not isinstance(data.get(field), str) or not data[field]:
            raise malformed(f'"{field}" wasn\'t supplied.')
    owner, _, head = data["head"].rpartition(":")
    if owner and owner.lower() != repo["owner"]["login"].lower():
        raise invalid("PullRequest", "head")
    return head, data["base"]


def _refuse_duplicate(hub: Hub, repo: Row, head: str, base: str) -> None:
    if pull_rows.listed(hub, repo, "open", head, base):
        raise custom("PullRequest", f"A pull request already exists for {repo['owner']['login']}:{head}.")


async def update(hub: Hub, actor: Actor, repo: Row, number: int, data: Json) -> Row:
    """Change a pull request's title, body, base or state."""
    before = await pull_rows.load(hub, repo, number)
    if not texts.may_edit(hub, actor, repo, before["issue"]["user_id"]):
        raise ApiError(403, "Must have admin rights to Repository.")
    changes = texts.edited_text(before["issue"], data, "PullRequest")
    was: Json = {name: {"from": before["issue"][name] or ""} for name in changes}
    base = _new_base(hub, repo, before, data.get("base"))
    if base:
        was["base"] = {"ref": {"from": before["base_ref"]}, "sha": {"from": before["base_sha"]}}
    if was:
        facts = await pull_rows.facts(hub, repo, {**before, **base})
        with hub.store.transaction():
            hub.store.update("issues", before["issue"]["id"], **changes, updated_at=hub.store.now())
            if base:
                hub.store.update("pulls", before["id"], **base)
            row = {**pull_rows.find(hub, repo, number), "facts": facts}
            telling.of_pull(hub, actor, repo, "edited", row, changes=was)
    await _change_state(hub, actor, repo, before, data.get("state"))
    return await pull_rows.load(hub, repo, number)


def _new_base(hub: Hub, repo: Row, before: Row, base: str | None) -> dict[str, str]:
    """Name the columns that another base changes."""
    if base is None or base == before["base_ref"]:
        return {}
    tip = hub.git(repo).branch(base)
    if tip is None:
        raise invalid("PullRequest", "base")
    return {"base_ref": base, "base_sha": tip}


async def _change_state(hub: Hub, actor: Actor, repo: Row, before: Row, state: str | None) -> None:
    if state not in {None, "open", "closed"}:
        raise invalid("PullRequest", "state")
    if state is None or state == before["issue"]["state"]:
        return
    if state == "open" and before["merged_at"]:
        raise custom("PullRequest", "state cannot be changed. The pull request cannot be reopened.")
    if state == "open" and hub.git(repo).branch(before["head_ref"]) is None:
        raise custom("PullRequest", f"state cannot be changed. The {before['head_ref']} branch has been deleted.")
    if state == "closed":
        await close(hub, actor, repo, before)
        return
    head = hub.git(repo).branch(before["head_ref"])
    facts = await pull_rows.facts(hub, repo, {**before, "head_sha": head, "issue": {"state": "open"}})
    with hub.store.transaction():
        hub.store.update("pulls", before["id"], head_sha=head)
        issue_rows.write_state(hub, person_of(actor), before["issue"]["id"], "open", None)
        row = {**pull_rows.find(hub, repo, before["number"]), "facts": facts}
        telling.of_pull(hub, actor, repo, "reopened", row)


async def close(hub: Hub, actor: Actor, repo: Row, before: Row) -> None:
    """Close a pull request without merging it."""
    base = hub.git(repo).branch(before["base_ref"]) or before["base_sha"]
    facts = await pull_rows.facts(hub, repo, before)
    with hub.store.transaction():
        hub.store.update("pulls", before["id"], head_sha=before["head_sha"], base_sha=base)
        issue_rows.write_state(hub, person_of(actor), before["issue"]["id"], "closed", None)
        row = {**pull_rows.find(hub, repo, before["number"]), "facts": facts.ended()}
        telling.of_pull(hub, actor, repo, "closed", row)


async def request_reviewers(hub: Hub, actor: Actor, repo: Row, number: int, logins: list[str]) -> Row:
    """Ask people to review a pull request."""
    row = await pull_rows.load(hub, repo, number)
    people = [accounts.by_login(hub.store, login) for login in logins]
    if any(one is None or accounts.role(hub.store, repo, one) is None for one in people):
        raise ApiError(
            422,
            "Reviews may only be requested from collaborators. One or more of the users or teams you"
            " specified is not a collaborator of the repository.",
        )
    if any(one and one["id"] == row["issue"]["user_id"] for one in people):
        raise ApiError(422, "Review cannot be requested from pull request author.")
    with hub.store.transaction():
        for one in filter(None, people):
            hub.store.execute("INSERT OR IGNORE INTO review_requests VALUES (?, ?)", row["issue"]["id"], one["id"])
        fresh = {**pull_rows.find(hub, repo, number), "facts": row["facts"]}
        for one in filter(None, people):
            telling.of_pull(hub, actor, repo, "review_requested", fresh, requested_reviewer=user(hub.urls, one))
    return fresh


async def remove_reviewers(hub: Hub, actor: Actor, repo: Row, number: int, logins: list[str]) -> Row:
    """Take back that people were asked; who wasn't asked is passed over."""
    row = await pull_rows.load(hub, repo, number)
    lowered = {login.lower() for login in logins}
    asked = [one for one in row["requested_reviewers"] if one["login"].lower() in lowered]
    with hub.store.transaction():
        for one in asked:
            hub.store.execute(
                "DELETE FROM review_requests WHERE issue_id = ? AND account_id = ?", row["issue"]["id"], one["id"]
            )
        fresh = {**pull_rows.find(hub, repo, number), "facts": row["facts"]}
        for one in asked:
            telling.of_pull(hub, actor, repo, "review_request_removed", fresh, requested_reviewer=user(hub.urls, one))
    return fresh
