"""REST for check runs, check suites and commit statuses."""

from __future__ import annotations

from hub.rest.call import Call, Reply, Routes
from hub.rest.commits import resolved
from hub.services import checks, statuses
from hub.store import Row
from hub.views import checks as views

routes = Routes()
REPO = "/repos/{owner}/{repo}"
RUN = f"{REPO}/check-runs/{{check_run_id}}"
SUITE = f"{REPO}/check-suites/{{check_suite_id}}"


@routes.add(f"POST {REPO}/check-runs")
async def create_run(call: Call) -> Reply:
    row = await checks.create_run(call.hub, call.actor, call.repo, call.data)
    return Reply(views.check_run(call.urls, row), 201)


@routes.add(f"PATCH {RUN}")
async def update_run(call: Call) -> Reply:
    row = await checks.update_run(call.hub, call.actor, call.repo, call.number("check_run_id"), call.data)
    return Reply(views.check_run(call.urls, row))


@routes.add(f"GET {RUN}")
async def get_run(call: Call) -> Reply:
    return Reply(views.check_run(call.urls, await checks.load_run(call.hub, call.repo, call.number("check_run_id"))))


@routes.add(f"GET {RUN}/annotations")
async def list_annotations(call: Call) -> Reply:
    run = await checks.load_run(call.hub, call.repo, call.number("check_run_id"))
    rows, links = call.page(checks.annotations_of(call.hub, run["id"]))
    return Reply([views.annotation(call.urls, call.full_name, run["head_sha"], row) for row in rows], headers=links)


@routes.add(f"POST {RUN}/rerequest")
async def rerequest_run(call: Call) -> Reply:
    await checks.rerequest_run(call.hub, call.actor, call.repo, call.number("check_run_id"))
    return Reply({}, 201)


@routes.add(f"POST {RUN}/requested_action")
async def request_action(call: Call) -> Reply:
    """Press a button of a run; GitHub has this on its pages only."""
    identifier = str(call.data.get("identifier") or "")
    await checks.request_action(call.hub, call.actor, call.repo, call.number("check_run_id"), identifier)
    return Reply({}, 201)


@routes.add(f"GET {REPO}/commits/{{ref}}/check-runs", f"{REPO}/commits/{{ref:.+}}/check-runs")
async def runs_of_commit(call: Call) -> Reply:
    sha = await resolved(call, call.text("ref"))
    return _runs(call, checks.runs_of(call.hub, call.repo, sha=sha))


@routes.add(f"GET {SUITE}/check-runs")
async def runs_of_suite(call: Call) -> Reply:
    suite = await checks.load_suite(call.hub, call.repo, call.number("check_suite_id"))
    return _runs(call, checks.runs_of(call.hub, call.repo, suite_id=suite["id"]))


def _runs(call: Call, rows: list[Row]) -> Reply:
    if call.query("filter") != "all":
        rows = checks.latest(rows)
    for name, column in (("check_name", "name"), ("status", "status"), ("app_id", "app_id")):
        wanted = call.query(name)
        rows = [row for row in rows if wanted is None or str(row[column]) == wanted]
    page, links = call.page(rows)
    shown = [views.check_run(call.urls, checks.fill_run(call.hub, call.repo, row)) for row in page]
    return Reply({"total_count": len(rows), "check_runs": shown}, headers=links)


@routes.add(f"GET {REPO}/commits/{{ref}}/check-suites", f"{REPO}/commits/{{ref:.+}}/check-suites")
async def suites_of_commit(call: Call) -> Reply:
    sha = await resolved(call, call.text("ref"))
    rows = [await checks.load_suite(call.hub, call.repo, one) for one in checks.suites_of(call.hub, call.repo, sha)]
    wanted = call.query("app_id")
    rows = [row for row in rows if wanted is None or str(row["app_id"]) == wanted]
    page, links = call.page(rows)
    shown = [views.check_suite(call.urls, row) for row in page]
    return Reply({"total_count": len(rows), "check_suites": shown}, headers=links)


@routes.add(f"GET {SUITE}")
async def get_suite(call: Call) -> Reply:
    row = await checks.load_suite(call.hub, call.repo, call.number("check_suite_id"))
    return Reply(views.check_suite(call.urls, row))


@routes.add(f"POST {SUITE}/rerequest")
async def rerequest_suite(call: Call) -> Reply:
    await checks.rerequest_suite(call.hub, call.actor, call.repo, call.number("check_suite_id"))
    return Reply({}, 201)


# Statuses ------------------------------------------------------------------------------------------


@routes.add(f"POST {REPO}/statuses/{{sha}}")
async def create_status(call: Call) -> Reply:
    row = await statuses.create(call.hub, call.actor, call.repo, call.text("sha"), call.data)
    return Reply(views.status(call.urls, call.full_name, row), 201)


@routes.add(f"GET {REPO}/commits/{{ref}}/status", f"{REPO}/commits/{{ref:.+}}/status")
async def combined_status(call: Call) -> Reply:
    sha = await resolved(call, call.text("ref"))
    state, rows = checks.statuses_of(call.hub, call.repo, sha)
    return Reply(views.combined_status(call.urls, call.repo, sha, state, rows))
