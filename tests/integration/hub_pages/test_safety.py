"""Hostile people and pages get nowhere: text stays text, forms come from our pages, sessions stay private."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from yarl import URL

if TYPE_CHECKING:
    from conftest import Page, Site

REPO = "/repos/acme/shop"
HOME = "/acme/shop"
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><svg onload=alert(1)>"


def harmless(page: Page) -> bool:
    """Tell whether a page has no script but ours, no handler and nothing that loads from elsewhere."""
    scripts = page.text.count("<script")
    own = page.text.count('<script src="/assets/live.js?')
    return scripts == own == 1 and not any(
        page.tag(one) for one in ("iframe", "object", "embed", "base", r"[^>]*\son\w+=")
    )


async def test_hostile_text_stays_text_everywhere(site: Site, source: Path, tmp_path: Path) -> None:
    """Titles, bodies, comments, labels, file and branch names, commits, diffs and reports are shown as written."""
    clone = tmp_path / "clone"
    branch, name = "x<svg/onload=alert(1)>'\"&", "<img src=x onerror=alert(1)>&'.md"
    you, bot = await site.person(), await site.bot()
    remote = site.url.replace("http://", f"http://you:{site.token()}@") + "/acme/shop.git"
    await _git(tmp_path, "clone", "-q", remote, str(clone))
    await _git(clone, "switch", "-qc", branch)
    (clone / name).write_text(f"{EVIL}\n")
    (clone / "plain.txt").write_text(f"{EVIL}\n")
    await _git(clone, "add", ".")
    await _git(
        clone, "commit", "-qm", f"{EVIL}\n\n{EVIL}", "--author", f"{EVIL.replace('<', '(').replace('>', ')')} <a@b.c>"
    )
    await _git(clone, "push", "-q", "origin", f"HEAD:refs/heads/{branch}")
    sha = (await _git(clone, "rev-parse", "HEAD")).strip()
    texts = {"title": EVIL, "body": EVIL}
    await site.rest("PATCH", REPO, {"description": EVIL})
    issue = await site.rest("POST", f"{REPO}/issues", {**texts, "labels": [EVIL[:45]]})
    pull = await site.rest("POST", f"{REPO}/pulls", {**texts, "head": branch, "base": "main"}, bot)
    annotation = {
        "path": name, "start_line": 1, "end_line": 1, "annotation_level": "warning", "title": EVIL, "message": EVIL,
        "raw_details": EVIL,
    }  # fmt: skip
    output = {"title": EVIL, "summary": EVIL, "text": EVIL, "annotations": [annotation]}
    report = {"name": EVIL, "head_sha": sha, "status": "completed", "conclusion": "failure", "output": output}
    run = await site.rest("POST", f"{REPO}/check-runs", report, bot)
    for one in (issue, pull):
        await site.rest("POST", f"{REPO}/issues/{one['number']}/comments", {"body": EVIL})
    line = {"path": "plain.txt", "line": 1, "side": "RIGHT", "body": EVIL}
    suggestion = {**line, "body": f"```suggestion\n{EVIL}\n```\n\n- [ ] {EVIL}"}
    review = {"event": "COMMENT", "body": EVIL, "comments": [line, suggestion]}
    await site.rest("POST", f"{REPO}/pulls/{pull['number']}/reviews", review)
    await site.names()
    tree = (await site.rest("GET", f"{REPO}/contents?ref={sha}"))[0]["html_url"].rsplit("/", 1)[0]
    pages = [
        "/", HOME, f"{HOME}/issues", f"{HOME}/issues/1", f"{HOME}/issues/new", f"{HOME}/pulls", "/deliveries",
        *(f"{HOME}/pull/{pull['number']}{part}" for part in ("", "/files", "/commits", "/checks")),
        f"{HOME}/runs/{run['id']}", f"{HOME}/commit/{sha}", f"{HOME}/commits/{sha}", f"{HOME}/tree/{sha}",
        f"{HOME}/compare/main...{sha}", f"{HOME}/issues?label={EVIL.split('<img', maxsplit=1)[0]}",
    ]  # fmt: skip
    assert tree
    for path in pages:
        page = await you.see(path)
        assert page.status == 200, path
        assert harmless(page), path
    for path in (f"{HOME}/issues/1", f"{HOME}/pull/{pull['number']}", f"{HOME}/runs/{run['id']}"):
        assert "<script>alert(1)</script>" in (await you.see(path)).words
    for item in await site.rest("GET", f"{REPO}/contents?ref={sha}"):
        page = await you.see(item["html_url"].removeprefix(site.url))
        assert page.status == 200
        assert harmless(page)
    delivery = await you.see("/deliveries?event=issues")
    address = delivery.text.split('class="strong" href="')[1].split('"')[0]
    assert harmless(await you.see(address))


async def _git(cwd: Path, *arguments: str) -> str:
    import asyncio

    settings = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    done = await asyncio.to_thread(
        subprocess.run, ["git", *settings, *arguments], cwd=cwd, capture_output=True, text=True, check=True
    )
    return str(done.stdout)


async def test_raw_files_are_never_run(site: Site) -> None:
    """A file from the repository is served so that no browser takes it for a page of this site."""
    await site.commit("evil", "page.html", "<script>alert(document.cookie)</script>")
    await site.commit("evil", "picture.svg", "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    you = await site.person()
    for name in ("page.html", "picture.svg"):
        page = await you.see(f"{HOME}/raw/evil/{name}")
        assert page.headers["Content-Type"].startswith("text/plain")
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in page.headers["Content-Security-Policy"]


async def test_a_form_without_its_token_does_nothing(site: Site) -> None:
    """Without the token of the session, with another's, or sent from another site, a form is refused."""
    you = await site.person()
    issue = {"title": "Forged"}
    assert (await you.post(f"{HOME}/issues", issue)).status == 403
    assert (await you.post(f"{HOME}/issues", {**issue, "form_token": "0" * 64})).status == 403
    page = await you.send(f"{HOME}/issues", issue, seen=f"{HOME}/issues/new", Origin="http://evil.example")
    assert page.status == 403
    assert "out of date" in page.words
    other = await site.person("stranger")
    stolen = (await other.see(f"{HOME}/issues/new")).text.split('name="form_token" value="')[1].split('"')[0]
    assert (await you.post(f"{HOME}/issues", {**issue, "form_token": stolen})).status == 403
    await site.rest("POST", f"{REPO}/issues", {"title": "Real"})
    pull = await site.pull()
    for path in (
        "/login", "/logout", f"{HOME}/issues/1/comments", f"{HOME}/issues/1/labels", f"{HOME}/issues/1/labels/remove",
        *(f"{HOME}/issues/1/{action}" for action in ("edit", "tick", "delete")),
        *(f"{HOME}/issues/comments/1/{action}" for action in ("edit", "tick", "delete")),
        *(f"{HOME}/pull/{pull['number']}/comments/1/{action}" for action in ("replies", "edit", "tick", "delete")),
        *(f"{HOME}/pull/{pull['number']}/{action}" for action in ("reviews", "merge", "files", "base", "update")),
        *(f"{HOME}/pull/{pull['number']}/{action}" for action in ("delete-branch", "reviewers")),
        f"{HOME}/pull/{pull['number']}/reviews/1/dismissals", f"{HOME}/runs/1/rerequest-all", f"{HOME}/runs/1/actions",
        f"{HOME}/runs/1/rerequest", "/deliveries/1600001/attempts",
        "/apps/helper/installations", "/settings/installations/4001",
    ):  # fmt: skip
        assert (await you.post(path, {"body": "x", "state": "closed"})).status == 403, path
    assert [one["title"] for one in await site.rest("GET", f"{REPO}/issues?state=all")] == ["A change", "Real"]


async def test_every_form_carries_the_token(site: Site) -> None:
    """No page has a form that could not be sent."""
    pull = await site.pull()
    await site.rest("POST", f"{REPO}/issues", {"title": "One", "labels": ["bug"]})
    you = await site.person()
    here = f"{HOME}/pull/{pull['number']}"
    for path in (
        "/",
        "/login",
        f"{HOME}/issues/new",
        f"{HOME}/issues/2",
        here,
        f"{here}/files?path=new.py&side=RIGHT&line=1",
    ):
        text = (await you.see(path)).text
        assert text.count("<form") == text.count('method="post"') == text.count('name="form_token"'), path


async def test_headers_forbid_scripts_and_frames(site: Site) -> None:
    """Pages and errors alike come with a policy that runs nothing of others and is shown in no frame."""
    visitor = await site.visitor()
    for path in ("/", HOME, "/nowhere/at/all", "/login", "/avatars/1001"):
        headers = (await visitor.see(path)).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
    text = (await visitor.see(HOME)).text
    assert " style=" not in text
    assert "<style" not in text


async def test_cookies_are_out_of_reach(site: Site) -> None:
    """A session's cookie is unreadable to scripts, not sent along from other sites, and worth nothing to REST."""
    visitor = await site.visitor()
    async with visitor.session.get(site.url + "/login") as answer:
        cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    you = await site.person()
    async with you.session.get(site.url + "/user") as answer:
        assert answer.status == 401
    async with you.session.post(f"{site.url}{REPO}/issues", json={"title": "x"}) as answer:
        assert answer.status == 401


async def test_sessions_change_at_signing_in_and_can_not_be_made_up(site: Site) -> None:
    """A cookie from before signing in is worth nothing afterwards; a changed one is nobody's."""
    visitor = await site.visitor()
    await visitor.see("/login")
    before = next(iter(visitor.session.cookie_jar)).value
    page = await visitor.send("/login", {"token": site.token(), "next": "/"}, seen="/login")
    after = next(iter(visitor.session.cookie_jar))
    assert after.value != before
    assert "Sign out" in page.words
    head, body, signature = after.value.split(".")
    for forged in (before, f"{head}.{body}.{signature[:-4]}AAAA", "x", f"eyJhbGciOiJub25lIn0.{body}."):
        other = await site.visitor()
        other.session.cookie_jar.update_cookies({after.key: forged}, URL(site.url))
        assert "Sign out" not in (await other.see("/")).words


@pytest.mark.parametrize("token", ["", "ghp_000000000000000000000000000000000000"])
async def test_a_wrong_token_signs_nobody_in(site: Site, token: str) -> None:
    """A token that nobody has is refused in a sentence; an app's token is no person's."""
    for tried in (token, await site.bot()):
        visitor = await site.visitor()
        page = await visitor.send("/login", {"token": tried, "next": "/"}, seen="/login")
        assert page.status == 422
        assert "No person has this token" in page.words


async def test_signing_out_ends_the_session(site: Site) -> None:
    """After signing out the browser is nobody again, and asked to sign in where that is needed."""
    you = await site.person()
    page = await you.send("/logout", {"next": HOME}, seen="/")
    assert (page.path, "Sign out" in page.words) == (HOME, False)
    assert (await you.see("/deliveries")).path == "/login"
    assert (await you.see(f"{HOME}/issues/new")).path == "/login"


async def test_the_person_of_this_machine_needs_no_token(site: Site) -> None:
    """A browser of the same user on the same machine signs in by a button, if it asked for this machine by name."""
    visitor = await site.visitor()
    assert "Continue as you" in (await visitor.see("/login")).words
    rebound = await visitor.see("/login", Host="evil.example")
    assert "Continue as" not in rebound.words
    page = await visitor.send("/login", {"as": "owner", "next": HOME}, seen="/login")
    assert (page.path, "Sign out" in page.words) == (HOME, True)


async def test_signing_in_never_leads_elsewhere(site: Site) -> None:
    """Whatever stands in the address, one comes out on this site."""
    for following in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        person = await site.visitor()
        page = await person.send("/login", {"token": site.token(), "next": following}, seen="/login")
        assert page.path == "/"


async def test_private_repositories_are_not_there_for_others(site: Site) -> None:
    """Who may not see a repository finds nothing of it, on any page."""
    await site.rest("PATCH", REPO, {"private": True})
    await site.rest("POST", f"{REPO}/issues", {"title": "Secret"})
    for other in (await site.visitor(), await site.person("stranger")):
        assert "acme/shop" not in (await other.see("/")).words
        for path in ("", "/issues", "/issues/1", "/pulls", "/commits", "/tree/main", "/raw/main/README.md"):
            assert (await other.see(HOME + path)).status == 404
    assert (await (await site.person()).see(f"{HOME}/issues/1")).status == 200


async def test_odd_requests_are_refused_in_words(site: Site) -> None:
    """Odd paths, queries and bodies end in a page that says so, never in a server error."""
    you = await site.person()
    for path in (
        f"{HOME}/issues/99999999999999999999", f"{HOME}/pull/0", f"{HOME}/runs/1", f"{HOME}/commit/{'0' * 40}",
        f"{HOME}/tree/nope", f"{HOME}/blob/main/nope", f"{HOME}/blob/main/../../etc/passwd", f"{HOME}/tree/main/%00",
        f"{HOME}/tree/main/%ff%fe", f"{HOME}/compare/%00...main", "/%00", "/apps/%ff",
        f"{HOME}/blob/main/:(top)README.md", f"{HOME}/commits/main/%2e%2e/x", f"{HOME}/compare/x...y", "/deliveries/1",
        "/apps/nope", "/avatars/1", f"{HOME}/raw/main", f"{HOME}/tree/-h", f"{HOME}/commits/--all",
    ):  # fmt: skip
        page = await you.see(path)
        assert page.status == 404 or (page.status == 200 and "/commits/" in path), (path, page.status)
    for path in (
        f"{HOME}/issues?page=-1",
        f"{HOME}/issues?page=x",
        f"{HOME}/issues?page=9999",
        f"{HOME}/commits?page=0",
    ):
        assert (await you.see(path)).status == 200
    async with you.session.post(
        f"{site.url}{HOME}/issues",
        data=b"\xff",
        headers={"Content-Type": "application/x-www-form-urlencoded; charset=nope"},
    ) as answer:
        assert answer.status == 400
    async with you.session.post(f"{site.url}{HOME}/issues", data=json.dumps({"title": "x"})) as answer:
        assert answer.status == 403
