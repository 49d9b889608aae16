"""The code of a repository: its front page, directories and files."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hub.errors import not_found
from hub.pages.history import with_people
from hub.pages.markdown import Place
from hub.pages.repository import address_in, frame
from hub.pages.tree import children, entry_at, named
from hub.pages.visit import HEADERS, REPO, Pages, Visit, go
from hub.repository import GitRepository, TreeEntry
from hub.services import accounts
from hub.store import Row

pages = Pages()
LONGEST = 1024 * 1024  # bytes of a file that are shown
PICTURES = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}
READ = f"GET {REPO}/contents/{{path}}"


@pages.get("/{owner}/{repo}")
async def front(visit: Visit) -> web.StreamResponse:
    name = visit.part("repo")
    if name.endswith(".git") and accounts.find_repository(visit.hub, visit.part("owner"), name) is None:
        return go(address_in(visit).removesuffix(".git"))
    repo = visit.allowed(READ)
    git = visit.hub.git(repo)
    sha = git.branch(repo["default_branch"])
    if sha is None:
        clone = f"{visit.request.scheme}://{visit.request.host}{address_in(visit)}.git"
        return visit.page("empty.html", **frame(visit, repo, "code"), clone=clone)
    return await _directory(visit, repo, repo["default_branch"], sha, "")


@pages.get("/{owner}/{repo}/tree/{rest:.+}")
async def directory(visit: Visit) -> web.StreamResponse:
    repo = visit.allowed(READ)
    git = visit.hub.git(repo)
    ref, sha, path = await named(git, visit.part("rest"))
    if path and (await entry_at(git, sha, path)).kind != "tree":
        return go(f"{address_in(visit)}/blob/{visit.request.rel_url.raw_path.split('/tree/', 1)[1]}")
    return await _directory(visit, repo, ref, sha, path)


async def _directory(visit: Visit, repo: Row, ref: str, sha: str, path: str) -> web.Response:
    git = visit.hub.git(repo)
    entries = await children(git, sha, path)
    latest = await git.log(sha, 6, path=path or None)
    clone = f"{visit.request.scheme}://{visit.request.host}{address_in(visit)}.git"
    return visit.page(
        "tree.html",
        **frame(visit, repo, "code"),
        **_where(ref, path),
        entries=entries,
        latest=with_people(visit, repo, latest),
        branches=_branches(git, repo["default_branch"]),
        readme=await _readme(git, repo, ref, path, entries),
        clone=clone,
    )


def _where(ref: str, path: str) -> dict[str, Any]:
    """Give a page its branch, its path, and the way down to it."""
    parts = path.split("/") if path else []
    return {"ref": ref, "at": path, "way": [("/".join(parts[: n + 1]), part) for n, part in enumerate(parts)]}


def _branches(git: GitRepository, default: str) -> list[tuple[str, str]]:
    found = {ref.removeprefix("refs/heads/"): sha for ref, sha in git.refs("refs/heads/").items()}
    return sorted(found.items(), key=lambda one: (one[0] != default, one[0]))


async def _readme(git: GitRepository, repo: Row, ref: str, path: str, entries: list[TreeEntry]) -> Row | None:
    """Read a directory's README, Markdown before plain text."""
    named_so = [one for one in entries if one.kind == "blob" and _name(one).lower().startswith("readme")]
    chosen = sorted(named_so, key=lambda one: not one.path.lower().endswith(".md"))[:1]
    if not chosen or chosen[0].size > LONGEST or chosen[0].mode == "120000":
        return None
    text = (await git.blob(chosen[0].sha)).decode(errors="replace")
    place = Place(repo["full_name"], f"blob/{ref}/{path + '/' if path else ''}")
    return {"name": _name(chosen[0]), "text": text, "place": place if chosen[0].path.lower().endswith(".md") else None}


def _name(entry: TreeEntry) -> str:
    return entry.path.rpartition("/")[2]


@pages.get("/{owner}/{repo}/blob/{rest:.+}")
async def file(visit: Visit) -> web.StreamResponse:
    repo = visit.allowed(READ)
    git = visit.hub.git(repo)
    ref, sha, path = await named(git, visit.part("rest"))
    entry = await entry_at(git, sha, path)
    if entry.kind == "tree":
        return go(f"{address_in(visit)}/tree/{visit.request.rel_url.raw_path.split('/blob/', 1)[1]}")
    if entry.kind != "blob":  # a submodule is a commit of another repository
        raise not_found()
    content = b"" if entry.size > LONGEST else await git.blob(entry.sha)
    text = None if entry.size > LONGEST or b"\0" in content else content.decode(errors="replace")
    as_text = text is not None and (not path.lower().endswith(".md") or "plain" in visit.request.query)
    place = Place(repo["full_name"], f"blob/{ref}/{path.rpartition('/')[0]}/".replace("//", "/"))
    return visit.page(
        "blob.html",
        **frame(visit, repo, "code"),
        **_where(ref, path),
        entry=entry,
        text=text,
        lines=(text or "").removesuffix("\n").split("\n") if as_text else None,
        place=place,
        picture=path.rpartition(".")[2].lower() in PICTURES,
    )


@pages.get("/{owner}/{repo}/raw/{rest:.+}")
async def raw(visit: Visit) -> web.StreamResponse:
    """Serve a file as it is, in a form that no browser runs."""
    repo = visit.allowed(READ)
    git = visit.hub.git(repo)
    _, sha, path = await named(git, visit.part("rest"))
    entry = await entry_at(git, sha, path)
    if entry.kind != "blob":
        raise not_found()
    content = await git.blob(entry.sha)
    kind = PICTURES.get(path.rpartition(".")[2].lower())
    if kind is None:
        kind = "application/octet-stream" if b"\0" in content[:8000] else "text/plain"
    headers = {**HEADERS, "Content-Security-Policy": "default-src 'none'; sandbox"}
    charset = "utf-8" if kind == "text/plain" else None
    return web.Response(body=content, content_type=kind, charset=charset, headers=headers)
