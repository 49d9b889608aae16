"""Protected branches: what is asked for is awaited, told in GitHub's words, and kept from the app's hands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.other_app import register

if TYPE_CHECKING:
    from conftest import World

CHECKS = {"strict": False, "contexts": ["build", "lint"]}
NONE = {"required_status_checks": None, "required_pull_request_reviews": None, "restrictions": None}


async def _protect(world: World, **rule: Any) -> dict[str, Any]:
    path = f"/repos/{world.repo}/branches/main/protection"
    made: dict[str, Any] = await world.you("PUT", path, {**NONE, "enforce_admins": True, **rule})
    return made


async def _pull(world: World) -> tuple[str, str]:
    head = await world.branch("topic", {"x.txt": "x\n"})
    return f"/repos/{world.repo}/pulls/{(await world.pull('topic'))['number']}", head


async def test_a_merge_waits_for_the_checks_that_the_base_asks_for(world: World) -> None:
    """Missing, running and failed checks are named; whoever reports them, in the end the merge goes through."""
    await _protect(world, required_status_checks=CHECKS)
    here, head = await _pull(world)
    bot, other = await world.bot(), await register(world.session, world.url, world.repo)

    async def refused() -> str:
        assert (await bot("GET", here))["mergeable_state"] == "blocked"
        return str((await bot("PUT", f"{here}/merge", {}, status=405))["message"])

    assert await refused() == "2 of 2 required status checks have not succeeded: 2 expected."
    run = await other.check(head, "build", None)
    assert await refused() == "2 of 2 required status checks have not succeeded: 1 expected and 1 pending."
    await other.finish(run["id"], "failure")
    await world.you("POST", f"/repos/{world.repo}/statuses/{head}", {"state": "success", "context": "lint"})
    assert await refused() == 'Required status check "build" is failing.'
    await other.check(head, "build", "success")
    assert (await bot("GET", here))["mergeable_state"] == "clean"
    assert (await bot("PUT", f"{here}/merge", {}))["merged"] is True


async def test_a_merge_waits_for_reviews_of_people_who_may_write(world: World) -> None:
    """Approvals of strangers and those that were dismissed don't count; requested changes stand in the way."""
    await _protect(world, required_pull_request_reviews={"required_approving_review_count": 1})
    here, _ = await _pull(world)
    bot = await world.bot()
    none = "At least 1 approving review is required by reviewers with write access."
    assert (await bot("PUT", f"{here}/merge", {}, status=405))["message"] == none
    review = await world.stranger("POST", f"{here}/reviews", {"event": "APPROVE"}, status=200)
    assert (await bot("PUT", f"{here}/merge", {}, status=405))["message"] == none
    await world.you("PUT", f"/repos/{world.repo}/collaborators/stranger", {"permission": "push"}, status=204)
    assert (await bot("GET", here))["mergeable_state"] == "clean"
    await world.you("PUT", f"{here}/reviews/{review['id']}/dismissals", {"message": "No"})
    assert (await bot("GET", here))["mergeable_state"] == "blocked"
    no = {"event": "REQUEST_CHANGES", "body": "No"}
    await world.stranger("POST", f"{here}/reviews", no, status=200)
    assert (await bot("PUT", f"{here}/merge", {}, status=405))["message"] == "Changes have been requested."
    await world.stranger("POST", f"{here}/reviews", {"event": "APPROVE"}, status=200)
    assert (await bot("PUT", f"{here}/merge", {}))["merged"] is True


async def test_a_strict_branch_wants_all_that_it_has_itself(world: World) -> None:
    """A head that is behind is refused until the base has been merged in."""
    await _protect(world, required_status_checks={"strict": True, "contexts": []})
    here, _ = await _pull(world)
    await world.write("main", "other.txt", "other\n")
    bot = await world.bot()
    assert (await bot("GET", here))["mergeable_state"] == "behind"
    assert "out of date" in (await bot("PUT", f"{here}/merge", {}, status=405))["message"]
    await bot("PUT", f"{here}/update-branch", {}, status=202)
    assert (await bot("PUT", f"{here}/merge", {}))["merged"] is True


async def test_administrators_may_be_let_off(world: World) -> None:
    await _protect(world, required_status_checks=CHECKS, enforce_admins=False)
    here, _ = await _pull(world)
    bot = await world.bot()
    await bot("PUT", f"{here}/merge", {}, status=405)
    assert (await world.you("PUT", f"{here}/merge", {}))["merged"] is True


async def test_a_protection_is_seen_changed_and_taken_off_by_administrators(world: World) -> None:
    """Everybody who reads the branch sees which checks it asks for."""
    path = f"/repos/{world.repo}/branches/main"
    reviews = {"required_approving_review_count": 2}
    await _protect(world, required_status_checks=CHECKS, required_pull_request_reviews=reviews)
    shown = await world.you("GET", f"{path}/protection")
    assert shown["required_status_checks"]["contexts"] == ["build", "lint"]
    assert shown["required_pull_request_reviews"]["required_approving_review_count"] == 2
    narrow = await world.bot(permissions={"contents": "read"})
    seen = await narrow("GET", path)
    assert (seen["protected"], seen["protection"]["required_status_checks"]["contexts"]) == (True, ["build", "lint"])
    for one in (world.stranger, narrow):
        refusal = 404 if one.token == world.stranger.token else 403
        await one("PUT", f"{path}/protection", {**NONE, "enforce_admins": True}, status=refusal)
    checks = [{"context": "only", "app_id": 7}]
    changed = await _protect(world, required_status_checks={"strict": True, "contexts": [], "checks": checks})
    assert changed["required_status_checks"]["contexts"] == ["only"]
    assert "required_pull_request_reviews" not in changed
    await world.you("DELETE", f"{path}/protection")
    await world.you("DELETE", f"{path}/protection", status=404)
    assert (await world.you("GET", path))["protected"] is False


@pytest.mark.parametrize(
    "body",
    [
        {},
        {**NONE},
        {**NONE, "enforce_admins": "yes"},
        {**NONE, "enforce_admins": None, "required_pull_request_reviews": {"required_approving_review_count": 7}},
        {**NONE, "enforce_admins": None, "required_status_checks": {"contexts": [1]}},
        {**NONE, "enforce_admins": None, "required_status_checks": {"checks": ["build"]}},
        {**NONE, "enforce_admins": None, "required_status_checks": {"checks": "build"}},
    ],
)
async def test_a_protection_that_makes_no_sense_is_refused(world: World, body: dict[str, Any]) -> None:
    await world.you("PUT", f"/repos/{world.repo}/branches/main/protection", body, status=422)
