"""Every path in GitHub's description, asked once at least, each answer held against it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from conftest import World

CHANGED = "def add(a, b):\n    return a + b\n"


async def test_every_endpoint_answers_as_described(world: World) -> None:
    """Walk through the life of an issue and a pull request, touching every documented endpoint."""
    await _app(world)
    await _repository(world)
    number = await _issue(world)
    await _refs(world)
    await _pull(world, number)
    await _checks(world)
    await _deliveries(world)
    await world.settle()
    missing = {f"{m} {p}" for m, p in world.conformance.operations} - {f"{m} {p}" for m, p, _ in world.conformance.seen}
    assert not missing, f"never asked: {sorted(missing)}"


async def _app(world: World) -> None:
    app = await world.app("GET", "/app")
    assert app["slug"] == "aurora-test"
    installation = (await world.app("GET", "/app/installations"))[0]
    assert (await world.app("GET", f"/app/installations/{installation['id']}"))["account"]["login"] == "acme"
    await world.app("GET", "/app/installations/999", status=404)
    narrowed = {"repositories": ["sample"], "permissions": {"contents": "read"}}
    path = f"/app/installations/{installation['id']}/access_tokens"
    granted = await world.app("POST", path, narrowed)
    assert granted["permissions"] == {"metadata": "read", "contents": "read"}
    assert [one["name"] for one in granted["repositories"]] == ["sample"]
    assert (await world.app("GET", f"/repos/{world.repo}/installation"))["id"] == installation["id"]
    bot = await world.bot()
    assert (await bot("GET", "/installation/repositories"))["total_count"] == 1
    assert (await bot("GET", "/rate_limit"))["rate"]["limit"] == 5000
    code = await _manifest_code(world)
    made = await world.nobody("POST", f"/app-manifests/{code}/conversions")
    assert made["pem"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    await world.nobody("POST", f"/app-manifests/{code}/conversions", status=404)


async def _manifest_code(world: World) -> str:
    manifest = {"name": "Second", "url": "https://example.org", "redirect_url": "https://example.org/back"}
    form = {"manifest": json.dumps(manifest)}
    url = f"{world.url}/settings/apps/new?state=abc"
    async with world.session.post(url, data=form, allow_redirects=False) as response:
        assert response.status == 302
        location = response.headers["Location"]
    assert location.startswith("https://example.org/back?")
    assert "state=abc" in location
    return location.partition("code=")[2].partition("&")[0]


async def _repository(world: World) -> None:
    repo = f"/repos/{world.repo}"
    shown = await world.you("GET", repo)
    assert shown["default_branch"] == "main"
    assert shown["permissions"]["admin"] is True
    assert (await world.you("GET", f"{repo}/branches/main"))["protected"] is False
    await world.you("GET", f"{repo}/branches/nothing", status=404)
    await world.you("GET", f"{repo}/branches/main/protection", status=404)
    assert await world.you("GET", f"{repo}/rules/branches/main") == []
    mine = await world.you("GET", f"{repo}/collaborators/you/permission")
    assert mine["permission"] == "admin"
    assert (await world.you("GET", f"{repo}/collaborators/stranger/permission"))["permission"] == "read"
    bot = quote("aurora-test[bot]")
    assert (await world.you("GET", f"/users/{bot}"))["type"] == "Bot"
    assert (await world.you("GET", "/user"))["login"] == "you"
    assert (await world.you("GET", f"{repo}/actions/runs"))["total_count"] == 0
    await world.you("GET", f"{repo}/actions/runs/1/jobs", status=404)
    await world.you("GET", f"{repo}/actions/jobs/1/logs", status=404)
    assert (await world.you("GET", f"{repo}/commits"))[0]["commit"]["message"] == "First"
    assert (await world.you("GET", f"{repo}/commits/main"))["stats"]["additions"] == 3
    assert [one["name"] for one in await world.you("GET", f"{repo}/contents")] == ["README.md", "src"]
    assert (await world.you("GET", f"{repo}/contents/src"))[0]["path"] == "src/calc.py"
    content = (await world.you("GET", f"{repo}/contents/src/calc.py"))["content"]
    assert "a - b" in base64.b64decode(content).decode()
    await world.you("GET", f"{repo}/contents/nothing", status=404)


async def _issue(world: World) -> int:
    repo = f"/repos/{world.repo}"
    made = await world.you("POST", f"{repo}/issues", {"title": "One", "labels": ["aurora", {"name": "bug"}]})
    here = f"{repo}/issues/{made['number']}"
    assert [one["name"] for one in made["labels"]] == ["aurora", "bug"]
    assert (await world.you("GET", f"{repo}/issues?labels=aurora"))[0]["number"] == made["number"]
    assert (await world.you("PATCH", here, {"title": "Uno", "body": "x"}))["title"] == "Uno"
    assert (await world.you("PATCH", here, {"state": "closed", "state_reason": "not_planned"}))["closed_by"][
        "login"
    ] == "you"
    assert (await world.you("PATCH", here, {"state": "open"}))["state_reason"] == "reopened"
    comment = await world.you("POST", f"{here}/comments", {"body": "Hello"})
    one = f"{repo}/issues/comments/{comment['id']}"
    assert (await world.you("PATCH", one, {"body": "Hello again"}))["body"] == "Hello again"
    await world.you("POST", f"{one}/reactions", {"content": "eyes"})
    await world.you("POST", f"{one}/reactions", {"content": "eyes"}, status=200)
    assert (await world.you("GET", f"{one}/reactions"))[0]["content"] == "eyes"
    assert (await world.you("GET", one))["reactions"]["eyes"] == 1
    assert len(await world.you("GET", f"{here}/comments")) == 1
    await world.you("DELETE", one)
    await world.you("GET", one, status=404)
    await world.you("POST", f"{here}/reactions", {"content": "rocket"})
    assert len(await world.you("GET", f"{here}/reactions")) == 1
    await world.you("POST", f"{repo}/labels", {"name": "needs work", "color": "ff0000", "description": "later"})
    await world.you("POST", f"{repo}/labels", {"name": "Needs Work"}, status=422)
    assert (await world.you("GET", f"{repo}/labels/{quote('needs work')}"))["color"] == "ff0000"
    assert len(await world.you("GET", f"{repo}/labels")) == 6
    await world.you("POST", f"{here}/labels", {"labels": ["needs work"]}, status=200)
    await world.you("DELETE", f"{here}/labels/{quote('needs work')}", status=200)
    await world.you("DELETE", f"{here}/labels/nothing", status=404)
    assert [one["name"] for one in await world.you("PUT", f"{here}/labels", {"labels": ["aurora"]})] == ["aurora"]
    assert len(await world.you("GET", f"{here}/labels")) == 1
    await world.you("DELETE", f"{here}/labels")
    assigned = await world.you("POST", f"{here}/assignees", {"assignees": ["you", "stranger"]})
    assert [one["login"] for one in assigned["assignees"]] == ["you"]
    return int(made["number"])


async def _refs(world: World) -> None:
    repo = f"/repos/{world.repo}"
    sha = (await world.you("GET", f"{repo}/git/ref/heads/main"))["object"]["sha"]
    await world.you("GET", f"{repo}/git/ref/heads/nothing", status=404)
    made = await world.you("POST", f"{repo}/git/refs", {"ref": "refs/heads/a/b", "sha": sha})
    assert made["ref"] == "refs/heads/a/b"
    again = await world.you("POST", f"{repo}/git/refs", {"ref": "refs/heads/a/b", "sha": sha}, status=422)
    assert again["message"] == "Reference already exists"
    newer = await world.write("a/b", "new.txt", "new\n")
    assert [one["ref"] for one in await world.you("GET", f"{repo}/git/matching-refs/heads/a")] == ["refs/heads/a/b"]
    refused = await world.you("PATCH", f"{repo}/git/refs/heads/a/b", {"sha": sha}, status=422)
    assert refused["message"] == "Update is not a fast forward"
    await world.you("PATCH", f"{repo}/git/refs/heads/a/b", {"sha": sha, "force": True})
    await world.you("PATCH", f"{repo}/git/refs/heads/a/b", {"sha": newer})
    compared = await world.you("GET", f"{repo}/compare/main...a/b")
    assert (compared["status"], compared["ahead_by"], compared["files"][0]["filename"]) == ("ahead", 1, "new.txt")
    await world.you("DELETE", f"{repo}/git/refs/heads/a/b")
    await world.you("DELETE", f"{repo}/git/refs/heads/a/b", status=422)


async def _pull(world: World, issue: int) -> None:
    repo = f"/repos/{world.repo}"
    head = await world.branch("change", {"src/calc.py": CHANGED})
    await world.write("main", "other.txt", "other\n")
    made = await world.pull("change", "Change", f"Fixes #{issue}")
    here = f"{repo}/pulls/{made['number']}"
    assert made["head"]["sha"] == head
    double = {"title": "x", "head": "change", "base": "main"}
    refused = await world.you("POST", f"{repo}/pulls", double, status=422)
    assert refused["errors"][0]["message"] == "A pull request already exists for acme:change."
    same = await world.you("POST", f"{repo}/pulls", {"title": "x", "head": "old", "base": "main"}, status=422)
    assert same["errors"][0]["message"] == "No commits between main and old"
    assert (await world.you("GET", f"{repo}/pulls?head=acme:change"))[0]["number"] == made["number"]
    assert (await world.you("GET", here))["mergeable_state"] == "clean"
    assert (await world.you("PATCH", here, {"title": "A better change"}))["title"] == "A better change"
    assert (await world.you("GET", f"{here}/files"))[0]["patch"].startswith("@@ -1,2 +1,2 @@")
    assert len(await world.you("GET", f"{here}/commits")) == 1
    await _reviews(world, here, head)
    bot = await world.bot()
    asked = await bot("POST", f"{here}/requested_reviewers", {"reviewers": ["stranger"]})
    assert [one["login"] for one in asked["requested_reviewers"]] == ["stranger"]
    await world.you("PUT", f"{here}/update-branch", {"expected_head_sha": head}, status=202)
    await world.you("PUT", f"{here}/merge", {"sha": head}, status=409)
    assert (await world.you("PUT", f"{here}/merge", {}))["merged"] is True
    await world.you("PUT", f"{here}/merge", {}, status=405)
    assert (await world.you("GET", f"{repo}/issues/{issue}"))["state"] == "closed"


async def _reviews(world: World, here: str, head: str) -> None:
    own = await world.you("POST", f"{here}/reviews", {"event": "APPROVE"}, status=422)
    assert own["errors"] == ["Can not approve your own pull request"]
    line: dict[str, Any] = {"path": "src/calc.py", "line": 2, "side": "RIGHT", "body": "Why?"}
    bot = await world.bot()
    review = await bot("POST", f"{here}/reviews", {"event": "COMMENT", "body": "Hm", "comments": [line]}, status=200)
    assert review["state"] == "COMMENTED"
    approved = await world.stranger("POST", f"{here}/reviews", {"event": "APPROVE"}, status=200)
    assert approved["commit_id"] == head
    assert [one["state"] for one in await world.you("GET", f"{here}/reviews")] == ["COMMENTED", "APPROVED"]
    inside = await world.you("GET", f"{here}/reviews/{review['id']}/comments")
    assert inside[0]["diff_hunk"].endswith("+    return a + b")
    single = await world.you("POST", f"{here}/comments", {**line, "commit_id": head, "body": "Also"})
    reply = await world.you("POST", f"{here}/comments/{single['id']}/replies", {"body": "Because"})
    assert reply["in_reply_to_id"] == single["id"]
    outside = await world.you("POST", f"{here}/comments", {**line, "commit_id": head, "line": 99}, status=422)
    assert outside["errors"][0]["code"] == "custom"
    assert len(await world.you("GET", f"{here}/comments")) == 3
    edited = f"{here.rsplit('/', 1)[0]}/comments/{single['id']}"
    assert (await world.you("PATCH", edited, {"body": "Also this"}))["body"] == "Also this"


async def _checks(world: World) -> None:
    repo = f"/repos/{world.repo}"
    bot = await world.bot()
    sha = (await world.you("GET", f"{repo}/git/ref/heads/main"))["object"]["sha"]
    run = await bot("POST", f"{repo}/check-runs", {"name": "aurora / lint", "head_sha": sha})
    here = f"{repo}/check-runs/{run['id']}"
    note = {"path": "a.py", "start_line": 1, "end_line": 1, "annotation_level": "failure", "message": "no"}
    output: dict[str, Any] = {"title": "Red", "summary": "51 problems", "annotations": [note] * 51}
    refused = await bot("PATCH", here, {"output": output}, status=422)
    assert "No more than 50 items are allowed; 51 were supplied" in refused["message"]
    await bot("PATCH", here, {"output": {**output, "annotations": [note] * 50}})
    done = await bot("PATCH", here, {"conclusion": "failure", "output": {**output, "annotations": [note]}})
    assert (done["status"], done["output"]["annotations_count"]) == ("completed", 51)
    assert (await bot("GET", here))["conclusion"] == "failure"
    assert len(await bot("GET", f"{here}/annotations?per_page=100")) == 51
    assert (await bot("GET", f"{repo}/commits/{sha}/check-runs"))["total_count"] == 1
    suite = (await bot("GET", f"{repo}/commits/{sha}/check-suites"))["check_suites"][0]
    assert suite["conclusion"] == "failure"
    assert (await bot("GET", f"{repo}/check-suites/{suite['id']}"))["head_branch"] == "main"
    assert (await bot("GET", f"{repo}/check-suites/{suite['id']}/check-runs"))["total_count"] == 1
    await world.you("POST", f"{here}/rerequest")
    await world.you("POST", f"{repo}/check-suites/{suite['id']}/rerequest")
    await world.you("POST", f"{repo}/check-runs", {"name": "x", "head_sha": sha}, status=403)
    await world.you("POST", f"{repo}/statuses/{sha}", {"state": "success", "context": "ci"})
    assert (await world.you("GET", f"{repo}/commits/{sha}/status"))["state"] == "success"


async def _deliveries(world: World) -> None:
    await world.settle()
    listed = await world.app.whole("GET", "/app/hook/deliveries?per_page=2")
    assert len(listed.data) == 2
    following = listed.headers["link"].partition("<")[2].partition(">")[0]
    more = await world.app("GET", following)
    assert more[0]["id"] < listed.data[-1]["id"]
    first = listed.data[0]
    whole = await world.app("GET", f"/app/hook/deliveries/{first['id']}")
    assert whole["request"]["headers"]["X-GitHub-Delivery"] == first["guid"]
    await world.app("POST", f"/app/hook/deliveries/{first['id']}/attempts", status=202)
    await world.settle()
    again = (await world.app("GET", "/app/hook/deliveries"))[0]
    assert (again["guid"], again["redelivery"]) == (first["guid"], True)
