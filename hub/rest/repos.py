"""REST for repositories, their branches and who may do what."""

from __future__ import annotations

from hub.errors import ApiError, not_found
from hub.rest.call import Call, Reply, Routes
from hub.rest.commits import shown_commit
from hub.services import accounts, protection, repos
from hub.views import repos as views

routes = Routes()


def _role(call: Call) -> str | None:
    return accounts.role(call.hub.store, call.repo, call.actor.account)


@routes.add("GET /repos/{owner}/{repo}")
async def get_repository(call: Call) -> Reply:
    return Reply(views.full_repository(call.urls, call.repo, _role(call)))


@routes.add("PATCH /repos/{owner}/{repo}")
async def update_repository(call: Call) -> Reply:
    repo = await repos.update_settings(call.hub, call.actor, call.repo, call.data)
    return Reply(views.full_repository(call.urls, repo, _role(call)))


@routes.add("GET /repos/{owner}/{repo}/branches")
async def list_branches(call: Call) -> Reply:
    refs = call.hub.git(call.repo).refs("refs/heads/")
    rows, links = call.page(list(refs.items()))
    shown = [
        {
            "name": name.removeprefix("refs/heads/"),
            "commit": {"sha": sha, "url": call.urls.repo(call.full_name, "commits", sha)},
            "protected": protection.find(call.hub, call.repo["id"], name.removeprefix("refs/heads/")) is not None,
        }
        for name, sha in rows
    ]
    return Reply(shown, headers=links)


PROTECTION = "/repos/{owner}/{repo}/branches/{branch}/protection"
PROTECTION_PATTERN = "/repos/{owner}/{repo}/branches/{branch:.+}/protection"


@routes.add(f"GET {PROTECTION}", PROTECTION_PATTERN)
async def get_protection(call: Call) -> Reply:
    _need_branch(call)
    rule = protection.find(call.hub, call.repo["id"], call.text("branch"))
    if rule is None:
        raise ApiError(404, "Branch not protected")
    return Reply(views.protection(call.urls, call.full_name, rule))


@routes.add(f"PUT {PROTECTION}", PROTECTION_PATTERN)
async def protect(call: Call) -> Reply:
    _need_branch(call)
    rule = protection.protect(call.hub, call.repo, call.text("branch"), call.data)
    return Reply(views.protection(call.urls, call.full_name, rule))


@routes.add(f"DELETE {PROTECTION}", PROTECTION_PATTERN)
async def unprotect(call: Call) -> Reply:
    if not protection.remove(call.hub, call.repo, call.text("branch")):
        raise ApiError(404, "Branch not protected")
    return Reply(status=204)


@routes.add("GET /repos/{owner}/{repo}/branches/{branch}", "/repos/{owner}/{repo}/branches/{branch:.+}")
async def get_branch(call: Call) -> Reply:
    name, sha = call.text("branch"), _need_branch(call)
    commit, rule = await shown_commit(call, sha), protection.find(call.hub, call.repo["id"], name)
    return Reply(views.branch(call.urls, call.full_name, name, commit, rule))


def _need_branch(call: Call) -> str:
    sha = call.hub.git(call.repo).branch(call.text("branch"))
    if sha is None:
        raise ApiError(404, "Branch not found")
    return sha


@routes.add("GET /repos/{owner}/{repo}/rules/branches/{branch}", "/repos/{owner}/{repo}/rules/branches/{branch:.+}")
async def get_rules(_: Call) -> Reply:
    return Reply([])


@routes.add("GET /repos/{owner}/{repo}/collaborators/{username}/permission")
async def get_permission(call: Call) -> Reply:
    account = accounts.by_login(call.hub.store, call.text("username"))
    if account is None:
        raise not_found()
    role = accounts.role(call.hub.store, call.repo, account)
    return Reply(views.collaborator_permission(call.urls, account, role))


@routes.add("PUT /repos/{owner}/{repo}/collaborators/{username}")
async def add_collaborator(call: Call) -> Reply:
    repos.add_collaborator(call.hub, call.repo, call.text("username"), call.data.get("permission"))
    return Reply(status=204)


# Actions: the hub runs no workflows.


@routes.add("GET /repos/{owner}/{repo}/actions/runs")
async def list_runs(_: Call) -> Reply:
    return Reply({"total_count": 0, "workflow_runs": []})


@routes.add("GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs")
async def list_jobs(_: Call) -> Reply:
    raise not_found()


@routes.add("GET /repos/{owner}/{repo}/actions/jobs/{job_id}/logs")
async def get_logs(_: Call) -> Reply:
    raise not_found()
