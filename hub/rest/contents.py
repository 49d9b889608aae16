"""REST for files and directories."""

from __future__ import annotations

import base64

from hub.errors import ApiError, not_found
from hub.repository import GitRepository, TreeEntry
from hub.rest.call import Call, Reply, Routes
from hub.services import repos
from hub.views import commits as views
from hub.views.accounts import Json

routes = Routes()
CONTENTS = "/repos/{owner}/{repo}/contents"
KINDS = {"tree": "dir", "commit": "submodule"}
LONGEST_INLINE = 1024 * 1024  # bytes; above it GitHub leaves the content out


@routes.add(f"GET {CONTENTS}/{{path}}", f"{CONTENTS}{{path:(?:/.*)?}}")
async def get_contents(call: Call) -> Reply:
    git, path = call.hub.git(call.repo), call.text("path").strip("/")
    ref = call.query("ref") or call.repo["default_branch"]
    commit = await git.resolve(ref)
    if commit is None:
        message = "This repository is empty." if not git.refs("refs/heads/") else f"No commit found for the ref {ref}"
        raise ApiError(404, message)
    entry = await repos.entry_at(git, commit, path) if path else None
    if path and entry is None:
        raise not_found()
    if entry is None or entry.kind == "tree":
        entries = await git.entries(commit, f"{path}/" if path else "")
        return Reply([_item(call, ref, one) for one in entries])
    return Reply(await _file(call, git, ref, entry))


def _kind(entry: TreeEntry) -> str:
    return "symlink" if entry.mode == "120000" else KINDS.get(entry.kind, "file")


def _item(call: Call, ref: str, entry: TreeEntry) -> Json:
    return views.content(call.urls, call.full_name, ref, entry.path, _kind(entry), entry.sha, entry.size)


async def _file(call: Call, git: GitRepository, ref: str, entry: TreeEntry) -> Json:
    shown = _item(call, ref, entry)
    if entry.kind == "commit":
        return {**shown, "submodule_git_url": call.urls.page(call.full_name)}
    blob = await git.blob(entry.sha)
    if entry.mode == "120000":
        shown["target"] = blob.decode(errors="replace")
    large = entry.size > LONGEST_INLINE
    text = "" if large else base64.encodebytes(blob).decode()
    return {**shown, "encoding": "none" if large else "base64", "content": text}


@routes.add(f"PUT {CONTENTS}/{{path}}", f"{CONTENTS}/{{path:.+}}")
async def put_contents(call: Call) -> Reply:
    path = call.text("path").strip("/")
    if not path or any(part in {"", ".", "..", ".git"} for part in path.split("/")):
        raise ApiError(422, "path contains a malformed path component")
    written = await repos.write_file(call.hub, call.actor, call.repo, path, call.data)
    git = call.hub.git(call.repo)
    commit = await git.commit(written.commit)
    shown = {
        "content": views.content(call.urls, call.full_name, written.branch, path, "file", written.blob, written.size),
        "commit": {
            **views.git_commit(call.urls, call.full_name, commit),
            "sha": commit.sha,
            "html_url": call.urls.page(call.full_name, "commit", commit.sha),
            "parents": [
                {"sha": sha, "url": call.urls.repo(call.full_name, "git", "commits", sha)} for sha in commit.parents
            ],
        },
    }
    return Reply(shown, 201 if written.created else 200)
