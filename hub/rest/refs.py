"""REST for branches and tags as git refs."""

from __future__ import annotations

from hub.errors import malformed, not_found
from hub.rest.call import Call, Reply, Routes
from hub.services import repos
from hub.views.repos import git_ref

routes = Routes()
GIT = "/repos/{owner}/{repo}/git"


async def _shown(call: Call, ref: str, sha: str) -> dict[str, object]:
    kind = await call.hub.git(call.repo).kind(sha) or "commit"
    return git_ref(call.urls, call.full_name, ref, sha, kind)


@routes.add(f"GET {GIT}/ref/{{ref}}", f"{GIT}/ref/{{ref:.+}}")
async def get_ref(call: Call) -> Reply:
    ref = f"refs/{call.text('ref')}"
    sha = call.hub.git(call.repo).ref(ref)
    if sha is None:
        raise not_found()
    return Reply(await _shown(call, ref, sha))


@routes.add(f"GET {GIT}/matching-refs/{{ref}}", f"{GIT}/matching-refs/{{ref:.*}}")
async def matching_refs(call: Call) -> Reply:
    refs = call.hub.git(call.repo).refs(f"refs/{call.text('ref')}")
    rows, links = call.page(list(refs.items()))
    return Reply([await _shown(call, ref, sha) for ref, sha in rows], headers=links)


@routes.add(f"POST {GIT}/refs")
async def create_ref(call: Call) -> Reply:
    ref, sha = _text(call, "ref"), _text(call, "sha")
    await repos.create_ref(call.hub, call.actor, call.repo, ref, sha)
    shown = await _shown(call, ref, sha)
    return Reply(shown, 201, {"Location": str(shown["url"])})


@routes.add(f"PATCH {GIT}/refs/{{ref}}", f"{GIT}/refs/{{ref:.+}}")
async def update_ref(call: Call) -> Reply:
    ref, sha = f"refs/{call.text('ref')}", _text(call, "sha")
    await repos.update_ref(call.hub, call.actor, call.repo, ref, sha, force=bool(call.data.get("force")))
    return Reply(await _shown(call, ref, sha))


@routes.add(f"DELETE {GIT}/refs/{{ref}}", f"{GIT}/refs/{{ref:.+}}")
async def delete_ref(call: Call) -> Reply:
    await repos.delete_ref(call.hub, call.actor, call.repo, f"refs/{call.text('ref')}")
    return Reply(status=204)


def _text(call: Call, field: str) -> str:
    value = call.data.get(field)
    if not isinstance(value, str) or not value:
        raise malformed(f'"{field}" wasn\'t supplied.')
    return value
