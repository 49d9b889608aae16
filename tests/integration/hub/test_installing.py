"""Apps that are taken off an account, suspended, or kept from a repository: what they hear, and may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Client, Git, World


async def _installation(world: World) -> dict[str, Any]:
    found: dict[str, Any] = (await world.app("GET", "/app/installations"))[0]
    return found


async def _speak(world: World, by: Client | None = None, *, status: int = 201) -> None:
    await (by or world.you)("POST", f"/repos/{world.repo}/issues", {"title": "Hello"}, status=status)


async def test_an_app_that_is_taken_off_hears_it_and_nothing_more(world: World, git: Git, sample: Path) -> None:
    """Its tokens are worth nothing, it gets no new ones, and nothing is delivered until it is installed again."""
    bot, installation = await world.bot(), await _installation(world)
    here = f"/user/installations/{installation['id']}"
    await world.stranger("DELETE", here, status=404)
    await world.you("DELETE", here)
    await _speak(world)
    assert (await world.settle())[-1] == "installation.deleted"
    told = world.receiver.last("installation.deleted").payload
    assert (told["sender"]["login"], told["installation"]["id"]) == ("you", installation["id"])
    assert [one["full_name"] for one in told["repositories"]] == [world.repo]
    await _speak(world, bot, status=401)
    assert (await git(sample, "push", world.remote(str(bot.token)), "main:more", check=False)).returncode != 0
    await world.app("POST", f"/app/installations/{installation['id']}/access_tokens", {}, status=404)
    await world.app("GET", f"/repos/{world.repo}/installation", status=404)
    again = await world.you("POST", "/user/installations", {"app": "aurora-test", "account": "acme"})
    assert again["id"] != installation["id"]
    await world.you("POST", "/user/installations", {"app": "aurora-test", "account": "acme"}, status=422)
    await _speak(world)
    assert (await world.settle())[-2:] == ["installation.created", "issues.opened"]


async def test_an_app_stays_off_when_the_hub_starts_again(start: Callable[..., Any]) -> None:
    """Neither a start nor a new repository brings back what somebody has taken off."""
    world: World = await start()
    await world.you("DELETE", f"/user/installations/{(await _installation(world))['id']}")
    again: World = await start()
    await again.you("POST", "/orgs/acme/repos", {"name": "second"})
    assert await again.app("GET", "/app/installations") == []


async def test_a_suspended_app_is_refused_everything_until_it_is_let_in(world: World, git: Git, sample: Path) -> None:
    """REST, git and new tokens answer 403, and events of the meantime are lost."""
    bot, installation = await world.bot(), await _installation(world)
    here = f"/user/installations/{installation['id']}/suspended"
    await world.you("PUT", here, status=204)
    await world.you("PUT", here, status=204)
    await _speak(world)
    assert (await world.settle()).count("installation.suspend") == 1
    assert (await world.settle())[-1] == "installation.suspend"
    told = world.receiver.last("installation.suspend").payload["installation"]
    assert told["suspended_by"]["login"] == "you"
    assert told["suspended_at"]
    refused = await bot("GET", f"/repos/{world.repo}/issues/1", status=403)
    assert refused["message"] == "This installation has been suspended"
    tokens = f"/app/installations/{installation['id']}/access_tokens"
    await world.app("POST", tokens, {}, status=403)
    pushed = await git(sample, "push", world.remote(str(bot.token)), "main:more", check=False)
    assert (pushed.returncode != 0, "403" in pushed.stderr) == (True, True)
    assert (await _installation(world))["suspended_by"]["login"] == "you"
    await world.you("DELETE", here)
    await _speak(world)
    assert (await world.settle())[-2:] == ["installation.unsuspend", "issues.opened"]
    await bot("GET", f"/repos/{world.repo}/issues/1")
    assert (await _installation(world))["suspended_at"] is None


async def test_an_app_may_see_some_repositories_only(world: World) -> None:
    """A repository that is taken away is neither told of nor opened by old or new tokens; it can be given back."""
    await world.you("POST", "/orgs/acme/repos", {"name": "second"})
    bot, installation = await world.bot(), await _installation(world)
    repo = await world.you("GET", f"/repos/{world.repo}")
    here = f"/user/installations/{installation['id']}/repositories/{repo['id']}"
    await world.stranger("DELETE", here, status=404)
    await world.you("DELETE", here)
    await _speak(world)
    assert (await world.settle())[-1] == "installation_repositories.removed"
    told = world.receiver.last("installation_repositories.removed").payload
    assert [one["full_name"] for one in told["repositories_removed"]] == [world.repo]
    assert told["repository_selection"] == "selected"
    for one in (bot, await world.bot()):
        await _speak(world, one, status=403)
        listed = await one("GET", "/installation/repositories")
        assert [repo["name"] for repo in listed["repositories"]] == ["second"]
    await world.app("GET", f"/repos/{world.repo}/installation", status=404)
    tokens = f"/app/installations/{installation['id']}/access_tokens"
    await world.app("POST", tokens, {"repositories": ["sample"]}, status=422)
    await world.you("PATCH", f"/repos/{world.repo}", {"private": True})
    await _speak(world, bot, status=404)
    await world.you("PUT", here, status=204)
    await _speak(world, bot)
    assert (await world.settle())[-2:] == ["installation_repositories.added", "issues.opened"]
    await world.you("DELETE", f"{here}99", status=404)


async def test_an_app_can_take_itself_off_and_suspend_itself(world: World) -> None:
    """GitHub's own addresses for apps do the same; another app's installation is not found."""
    installation = await _installation(world)
    here = f"/app/installations/{installation['id']}"
    await world.app("PUT", f"{here}/suspended", status=204)
    await world.app("DELETE", f"{here}/suspended")
    await world.app("DELETE", "/app/installations/999", status=404)
    listed = await world.you("GET", "/user/installations")
    assert [one["id"] for one in listed["installations"]] == [installation["id"]]
    assert (await world.stranger("GET", "/user/installations"))["total_count"] == 0
    await world.app("DELETE", here)
    assert (await world.settle())[-3:] == ["installation.suspend", "installation.unsuspend", "installation.deleted"]


async def test_a_repository_is_renamed_and_only_subscribers_hear_of_it(
    start: Callable[..., Any], without: Callable[[str], None]
) -> None:
    """With the event the app hears of it; without it the old name leads to the new one all the same."""
    without("- repository\n")
    world: World = await start()
    await world.you("PATCH", f"/repos/{world.repo}", {"name": "renamed"})
    assert not [name for name in await world.settle() if name.startswith("repository")]
    await world.you("POST", "/repos/acme/renamed/issues", {"title": "One"})
    await world.settle()
    assert world.receiver.last("issues.opened").payload["repository"]["full_name"] == "acme/renamed"
    moved = await world.you.whole("GET", f"/repos/{world.repo}/issues/1", status=301)
    assert "/repositories/" in moved.headers["location"]
