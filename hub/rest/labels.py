"""REST for labels."""

from __future__ import annotations

from hub.rest.call import Call, Reply, Routes
from hub.rest.issues import found
from hub.services import labels
from hub.store import Row

routes = Routes()
REPO = "/repos/{owner}/{repo}"
ON_ISSUE = f"{REPO}/issues/{{issue_number}}/labels"


def _shown(call: Call, rows: list[Row]) -> Reply:
    page, links = call.page(rows)
    return Reply([labels.show(call.hub, call.repo, row) for row in page], headers=links)


@routes.add(f"GET {REPO}/labels")
async def list_labels(call: Call) -> Reply:
    return _shown(
        call, call.hub.store.all("SELECT * FROM labels WHERE repository_id = ? ORDER BY name", call.repo["id"])
    )


@routes.add(f"POST {REPO}/labels")
async def create_label(call: Call) -> Reply:
    label = labels.create(call.hub, call.repo, call.data)
    shown = labels.show(call.hub, call.repo, label)
    return Reply(shown, 201, {"Location": shown["url"]})


@routes.add(f"GET {REPO}/labels/{{name}}")
async def get_label(call: Call) -> Reply:
    return Reply(labels.show(call.hub, call.repo, labels.find(call.hub, call.repo, call.text("name"))))


@routes.add(f"GET {ON_ISSUE}")
async def list_on_issue(call: Call) -> Reply:
    return _shown(call, found(call)["labels"])


@routes.add(f"POST {ON_ISSUE}")
async def add_labels(call: Call) -> Reply:
    names = labels.names_in(call.data)
    return _shown(call, await labels.add(call.hub, call.actor, call.repo, found(call), names))


@routes.add(f"PUT {ON_ISSUE}")
async def set_labels(call: Call) -> Reply:
    names = labels.names_in(call.data)
    return _shown(call, await labels.replace(call.hub, call.actor, call.repo, found(call), names))


@routes.add(f"DELETE {ON_ISSUE}")
async def remove_all(call: Call) -> Reply:
    await labels.replace(call.hub, call.actor, call.repo, found(call), [])
    return Reply(status=204)


@routes.add(f"DELETE {ON_ISSUE}/{{name}}")
async def remove_label(call: Call) -> Reply:
    return _shown(call, await labels.remove(call.hub, call.actor, call.repo, found(call), [call.text("name")]))
