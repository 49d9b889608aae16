"""REST for pull requests."""

from __future__ import annotations

from hub.errors import malformed
from hub.rest.call import Call, Reply, Routes
from hub.rest.commits import shown_commit
from hub.services import merging, pull_rows, pulls
from hub.views import commits as commit_views
from hub.views import pulls as views

routes = Routes()
PULLS = "/repos/{owner}/{repo}/pulls"
ONE = f"{PULLS}/{{pull_number}}"


@routes.add(f"GET {PULLS}")
async def list_pulls(call: Call) -> Reply:
    state = call.query("state") or "open"
    rows = pull_rows.listed(call.hub, call.repo, state, call.query("head"), call.query("base"))
    if call.query("sort") == "updated":
        rows.sort(key=lambda row: str(row["issue"]["updated_at"]), reverse=True)
    if call.query("direction") == "asc":
        rows.reverse()
    page, links = call.page(rows)
    return Reply([views.pull_simple(call.urls, row) for row in page], headers=links)


@routes.add(f"POST {PULLS}")
async def create_pull(call: Call) -> Reply:
    row = await pulls.create(call.hub, call.actor, call.repo, call.data)
    shown = views.pull(call.urls, row)
    return Reply(shown, 201, {"Location": shown["url"]})


@routes.add(f"GET {ONE}")
async def get_pull(call: Call) -> Reply:
    return Reply(views.pull(call.urls, await pull_rows.load(call.hub, call.repo, call.number("pull_number"))))


@routes.add(f"PATCH {ONE}")
async def update_pull(call: Call) -> Reply:
    row = await pulls.update(call.hub, call.actor, call.repo, call.number("pull_number"), call.data)
    return Reply(views.pull(call.urls, row))


@routes.add(f"PUT {ONE}/merge")
async def merge_pull(call: Call) -> Reply:
    sha = await merging.merge(call.hub, call.actor, call.repo, call.number("pull_number"), call.data)
    return Reply({"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


@routes.add(f"GET {ONE}/merge")
async def is_merged(call: Call) -> Reply:
    row = pull_rows.find(call.hub, call.repo, call.number("pull_number"))
    return Reply(status=204 if row["merged_at"] else 404)


@routes.add(f"PUT {ONE}/update-branch")
async def update_branch(call: Call) -> Reply:
    number = call.number("pull_number")
    await merging.update_branch(call.hub, call.actor, call.repo, number, call.data.get("expected_head_sha"))
    url = call.urls.repo(call.full_name, "pulls", number)
    return Reply({"message": "Updating pull request branch.", "url": url}, 202)


@routes.add(f"GET {ONE}/files")
async def list_files(call: Call) -> Reply:
    row = pull_rows.find(call.hub, call.repo, call.number("pull_number"))
    changes, links = call.page(await pull_rows.changes(call.hub, call.repo, row))
    shown = [commit_views.diff_entry(call.urls, call.full_name, row["head_sha"], one) for one in changes]
    return Reply(shown, headers=links)


@routes.add(f"GET {ONE}/commits")
async def list_commits(call: Call) -> Reply:
    row = pull_rows.find(call.hub, call.repo, call.number("pull_number"))
    commits, links = call.page(await pull_rows.commits(call.hub, call.repo, row))
    return Reply([await shown_commit(call, one.sha) for one in commits], headers=links)


@routes.add(f"POST {ONE}/requested_reviewers")
async def request_reviewers(call: Call) -> Reply:
    number, logins = call.number("pull_number"), _logins(call)
    row = await pulls.request_reviewers(call.hub, call.actor, call.repo, number, logins)
    return Reply(views.pull_simple(call.urls, row), 201)


@routes.add(f"DELETE {ONE}/requested_reviewers")
async def remove_reviewers(call: Call) -> Reply:
    number, logins = call.number("pull_number"), _logins(call)
    row = await pulls.remove_reviewers(call.hub, call.actor, call.repo, number, logins)
    return Reply(views.pull_simple(call.urls, row))


def _logins(call: Call) -> list[str]:
    logins = call.data.get("reviewers") or []
    if not isinstance(logins, list):
        raise malformed("reviewers must be an array.")
    return [str(one) for one in logins]
