"""Odd requests get GitHub's refusals, never a server error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import World

ODD: list[Any] = [None, 7, -1, True, "", "x\x00y", "../..", "é" * 300, [], [7], [None], [{}], {}, {"login": 7}, 1.5]


def _properties(document: dict[str, Any], operation: dict[str, Any]) -> list[str]:
    content = operation.get("requestBody", {}).get("content", {})
    found: set[str] = set()
    waiting = [body.get("schema", {}) for body in content.values()]
    while waiting:
        schema = waiting.pop()
        found |= set(schema.get("properties", {}))
        waiting += [one for kind in ("oneOf", "anyOf", "allOf") for one in schema.get(kind, [])]
    return sorted(found)


VALID: dict[str, Any] = {
    "title": "x", "body": "x", "name": "x", "message": "m", "content": "eyes", "ref": "refs/heads/odd", "head": "b",
    "base": "main", "state": "open", "path": "src/calc.py", "line": 1, "event": "COMMENT",
}  # fmt: skip


async def test_no_body_makes_the_hub_stumble(world: World) -> None:
    """Put every odd value into every documented field of every endpoint that takes a body."""
    if not world.conformance.present:
        pytest.skip("GitHub's description is not at hand")
    head = await world.branch("b", {"src/calc.py": "x\n"})
    await world.pull("b")
    issue = await world.you("POST", f"/repos/{world.repo}/issues", {"title": "One"})
    comment = await world.you("POST", f"/repos/{world.repo}/issues/{issue['number']}/comments", {"body": "x"})
    bot = await world.bot()
    run = await bot("POST", f"/repos/{world.repo}/check-runs", {"name": "x", "head_sha": head})
    values = {
        "owner": "acme", "repo": "sample", "issue_number": 2, "pull_number": 1, "comment_id": comment["id"],
        "sha": head, "check_run_id": run["id"], "check_suite_id": run["check_suite"]["id"], "ref": "heads/b",
        "path": "odd.txt", "installation_id": (await world.app("GET", "/app/installations"))[0]["id"], "name": "x",
    }  # fmt: skip
    stumbled = []
    for method, path in world.conformance.operations:
        operation = world.conformance.document["paths"][path][method.lower()]
        if "{code}" in path or "{delivery_id}" in path:
            continue
        for field in _properties(world.conformance.document, operation):
            for odd in ODD:
                body = {**VALID, "head_sha": head, "commit_id": head, "sha": head, field: odd}
                token = world.jwt() if path.startswith("/app") else bot.token
                headers = {"Authorization": f"Bearer {token}"}
                url = world.url + path.format(**values)
                async with world.session.request(method, url, json=body, headers=headers) as answer:
                    if answer.status >= 500:
                        stumbled.append(f"{method} {path} {field}={odd!r}")
    assert not stumbled


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/repos/acme/nothing", 404),
        ("/repos/acme/sample/issues/999", 404),
        ("/repos/acme/sample/issues/x", 404),
        ("/repos/acme/sample/pulls/999", 404),
        ("/repos/acme/sample/nothing/at/all", 404),
        ("/repos/acme/sample/git/ref/heads/../../HEAD", 404),
        ("/repos/acme/sample/git/ref/heads%2F..%2F..%2FHEAD", 404),
        ("/repos/acme/sample/commits/nothing", 422),
        ("/repos/acme/sample/commits/--all", 422),
        ("/repos/acme/sample/compare/main", 404),
        ("/repos/acme/sample/compare/main...nothing", 404),
        ("/repos/acme/sample/contents/README.md?ref=nothing", 404),
        ("/repos/acme/sample/contents/:(glob)**", 404),
        ("/repos/acme/sample/issues?state=odd", 422),
        ("/repos/acme/sample/issues?page=x&per_page=-1", 200),
        ("/users/nothing", 404),
    ],
)
async def test_what_is_not_there_is_said_so_in_json(world: World, path: str, status: int) -> None:
    answer = await world.you("GET", path, status=status)
    if status != 200:
        assert answer["message"]
        assert answer["documentation_url"]


async def test_broken_json_is_a_bad_request(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.you.token}"}
    url = f"{world.url}/repos/{world.repo}/issues"
    for body in (b"{", b'"text"', b"\xff"):
        async with world.session.post(url, data=body, headers=headers) as answer:
            assert answer.status == 400


async def test_long_texts_are_refused_where_github_refuses_them(world: World) -> None:
    issue = await world.you("POST", f"/repos/{world.repo}/issues", {"title": "One"})
    here = f"/repos/{world.repo}/issues/{issue['number']}/comments"
    await world.you("POST", here, {"body": "x" * 65_536})
    refused = await world.you("POST", here, {"body": "x" * 65_537}, status=422)
    assert "65536" in refused["errors"][0]["message"]


async def test_answers_carry_limits_links_and_etags(world: World) -> None:
    repo = f"/repos/{world.repo}"
    for n in range(5):
        await world.you("POST", f"{repo}/issues", {"title": str(n)})
    first = await world.you.whole("GET", f"{repo}/issues?per_page=2")
    assert int(first.headers["x-ratelimit-remaining"]) < int(first.headers["x-ratelimit-limit"])
    assert 'rel="next"' in first.headers["link"]
    assert f'{world.url}{repo}/issues?per_page=2&page=3>; rel="last"' in first.headers["link"]
    same = await world.you.whole(
        "GET", f"{repo}/issues?per_page=2", status=304, headers={"If-None-Match": first.headers["etag"]}
    )
    assert same.data is None
    last = await world.you.whole("GET", f"{repo}/issues?per_page=2&page=3")
    assert (len(last.data), 'rel="next"' in last.headers["link"]) == (1, False)


async def test_addresses_follow_the_host_and_prefix_that_were_asked(world: World) -> None:
    """GitHub Enterprise Server's prefix works, and bodies speak of the host that the caller used."""
    shown = await world.you("GET", f"/api/v3/repos/{world.repo}")
    assert shown["url"] == f"{world.url}/api/v3/repos/{world.repo}"
    other = world.url.replace("127.0.0.1", "localhost")
    assert (await world.you("GET", f"{other}/repos/{world.repo}"))["html_url"] == f"{other}/{world.repo}"
