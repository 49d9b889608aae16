"""Who may do what: JWTs, tokens, permissions of apps and roles of people."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Client, World


def _client(world: World, token: str | None) -> Client:
    return type(world.you)(world, token)


async def test_an_app_signs_in_by_id_or_client_id(world: World) -> None:
    client_id = world.running.description["app"]["client_id"]
    assert (await _client(world, world.jwt(iss=client_id))("GET", "/app"))["client_id"] == client_id
    assert (await world.app("GET", "/app"))["client_id"] == client_id


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": int(time.time()) + 3600}, "too far in the future"),
        ({"exp": int(time.time()) - 5}, "Expiration time"),
        ({"iat": int(time.time()) + 3600}, "Issued at"),
        ({"iss": "4711"}, "Integration not found"),
    ],
)
async def test_a_jwt_outside_githubs_limits_is_refused(world: World, claims: dict[str, Any], reason: str) -> None:
    refused = await _client(world, world.jwt(**claims))("GET", "/app", status=401)
    assert reason in refused["message"]


async def test_a_jwt_signed_with_another_key_is_refused(world: World) -> None:
    import jwt

    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    now = int(time.time())
    claims = {"iat": now, "exp": now + 60, "iss": str(world.running.description["app"]["id"])}
    forged = jwt.encode(claims, other, algorithm="RS256")
    await _client(world, forged)("GET", "/app", status=401)


async def test_an_unknown_token_is_refused_and_none_may_only_read(world: World) -> None:
    repo = f"/repos/{world.repo}"
    assert (await _client(world, "ghs_made_up")("GET", repo, status=401))["message"] == "Bad credentials"
    assert (await world.nobody("GET", repo))["name"] == "sample"
    await world.nobody("POST", f"{repo}/issues", {"title": "x"}, status=401)


async def test_a_token_lives_an_hour(world: World) -> None:
    token = await world.token()
    assert (await _client(world, token)("GET", f"/repos/{world.repo}"))["id"]
    world.running.hub.store.execute("UPDATE tokens SET expires_at = '2020-01-01T00:00:00Z' WHERE expires_at > '2021'")
    await _client(world, token)("GET", f"/repos/{world.repo}", status=401)


NEEDS = [
    ("contents", "POST", "/git/refs", {"ref": "refs/heads/x", "sha": "0" * 40}),
    ("contents", "PUT", "/pulls/1/merge", {}),
    ("contents", "PUT", "/contents/x.txt", {"message": "m", "content": ""}),
    ("issues", "POST", "/issues", {"title": "x"}),
    ("issues", "POST", "/issues/1/comments", {"body": "x"}),
    ("issues", "POST", "/issues/1/labels", {"labels": ["x"]}),
    ("issues", "POST", "/issues/1/reactions", {"content": "eyes"}),
    ("issues", "PATCH", "/issues/1", {"state": "closed"}),
    ("pull_requests", "POST", "/pulls", {"title": "x", "head": "old", "base": "main"}),
    ("pull_requests", "POST", "/pulls/2/reviews", {"event": "COMMENT", "body": "x"}),
    ("checks", "POST", "/check-runs", {"name": "x", "head_sha": "0" * 40}),
    ("statuses", "POST", "/statuses/" + "0" * 40, {"state": "success"}),
]


@pytest.mark.parametrize(("permission", "method", "path", "body"), NEEDS)
async def test_each_write_needs_its_permission(
    world: World, permission: str, method: str, path: str, body: dict[str, Any]
) -> None:
    """A token without one permission, or with read only, gets GitHub's 403."""
    await world.you("POST", f"/repos/{world.repo}/issues", {"title": "One"})
    held = {"contents": "write", "issues": "write", "pull_requests": "write", "checks": "write", "statuses": "write"}
    for level in ({}, {permission: "read"}):
        narrowed = {**{name: value for name, value in held.items() if name != permission}, **level}
        bot = await world.bot(permissions=narrowed)
        refused = await bot(method, f"/repos/{world.repo}{path}", body, status=403)
        assert refused["message"] == "Resource not accessible by integration"


async def test_pull_requests_permission_stands_in_for_issues_on_pull_requests_only(world: World) -> None:
    await world.branch("b", {"x.txt": "x\n"})
    issue = await world.you("POST", f"/repos/{world.repo}/issues", {"title": "One"})
    pull = await world.pull("b")
    bot = await world.bot(permissions={"pull_requests": "write"})
    await bot("POST", f"/repos/{world.repo}/issues/{pull['number']}/comments", {"body": "yes"})
    await bot("POST", f"/repos/{world.repo}/issues/{issue['number']}/comments", {"body": "no"}, status=403)


async def test_a_token_can_be_narrowed_but_not_widened(world: World) -> None:
    installation = (await world.app("GET", "/app/installations"))[0]
    path = f"/app/installations/{installation['id']}/access_tokens"
    await world.app("POST", path, {"permissions": {"secrets": "write"}}, status=422)
    await world.app("POST", path, {"repositories": ["nothing"]}, status=422)
    await world.you("POST", "/orgs/acme/repos", {"name": "other"})
    bot = await world.bot(repositories=["other"])
    assert [one["name"] for one in (await bot("GET", "/installation/repositories"))["repositories"]] == ["other"]
    await bot("POST", f"/repos/{world.repo}/issues", {"title": "x"}, status=403)


async def test_an_installation_is_no_person(world: World) -> None:
    bot = await world.bot()
    assert (await bot("GET", "/user", status=403))["message"] == "Resource not accessible by integration"
    await bot("GET", "/app", status=401)
    await world.you("GET", "/app/installations", status=401)


async def test_a_stranger_may_speak_but_not_act(world: World) -> None:
    """Someone without rights opens issues and comments; labels, merges and branches are refused."""
    repo = f"/repos/{world.repo}"
    issue = await world.stranger("POST", f"{repo}/issues", {"title": "Hi", "labels": ["aurora"], "assignees": ["you"]})
    assert (issue["labels"], issue["assignees"]) == ([], [])
    here = f"{repo}/issues/{issue['number']}"
    await world.stranger("POST", f"{here}/comments", {"body": "Please"})
    await world.stranger("POST", f"{here}/labels", {"labels": ["aurora"]}, status=403)
    assert (await world.stranger("PATCH", here, {"state": "closed"}))["state"] == "closed"
    other = await world.you("POST", f"{repo}/issues", {"title": "Mine"})
    await world.stranger("PATCH", f"{repo}/issues/{other['number']}", {"title": "Ours"}, status=403)
    await world.branch("b", {"x.txt": "x\n"})
    pull = await world.pull("b")
    await world.stranger("PUT", f"{repo}/pulls/{pull['number']}/merge", {}, status=404)
    await world.stranger("POST", f"{repo}/git/refs", {"ref": "refs/heads/z", "sha": "0" * 40}, status=404)
    names = await world.settle()
    assert "issues.labeled" not in names


async def test_a_private_repository_is_hidden_from_strangers(world: World, git: Any, tmp_path: Path) -> None:
    repo = f"/repos/{world.repo}"
    await world.you("PATCH", repo, {"private": True})
    await world.stranger("GET", repo, status=404)
    await world.nobody("GET", f"{repo}/issues", status=404)
    await world.you("PUT", f"{repo}/collaborators/stranger", {"permission": "push"}, status=204)
    assert (await world.stranger("GET", repo))["permissions"]["push"] is True
    assert (await world.you("GET", f"{repo}/collaborators/stranger/permission"))["permission"] == "write"
    refused = await git(tmp_path, "clone", f"{world.url}/{world.repo}.git", "x", check=False)
    assert refused.returncode != 0


async def test_an_app_hears_only_what_it_subscribed_to_and_may_read(
    start: Callable[..., Any], without: Callable[[str], None]
) -> None:
    """Without the event, or without the permission behind it, nothing is delivered."""
    without("- issue_comment\n")
    without("  pull_requests: write\n")
    world: World = await start()
    issue = await world.you("POST", f"/repos/{world.repo}/issues", {"title": "One"})
    await world.you("POST", f"/repos/{world.repo}/issues/{issue['number']}/comments", {"body": "Hi"})
    await world.branch("b", {"x.txt": "x\n"})
    await world.pull("b")
    names = await world.settle()
    assert "issues.opened" in names
    assert not [name for name in names if name.startswith(("issue_comment", "pull_request"))]
