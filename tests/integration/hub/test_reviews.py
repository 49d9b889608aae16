"""Reviews as people give them: many comments at once, threads, verdicts taken back, lines that move under comments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Git, World

LINES = [f"line {number}\n" for number in range(1, 31)]


async def _pull(world: World) -> tuple[str, str]:
    """Open a pull request with a new file of thirty lines; return its address and its head."""
    head = await world.branch("topic", {"long.txt": "".join(LINES)})
    pull = await world.pull("topic")
    return f"/repos/{world.repo}/pulls/{pull['number']}", head


async def _comment(world: World, here: str, head: str, line: int, **more: Any) -> dict[str, Any]:
    body = {"path": "long.txt", "line": line, "commit_id": head, "body": f"About {line}", **more}
    made: dict[str, Any] = await world.you("POST", f"{here}/comments", body)
    return made


async def _seen(world: World, here: str) -> dict[int, tuple[Any, ...]]:
    """Tell where the comments are now: line, first line, and the commit of both, by id."""
    rows = await world.you("GET", f"{here}/comments")
    return {one["id"]: (one["line"], one["start_line"], one["commit_id"]) for one in rows}


async def test_a_review_of_twelve_comments_is_one_review(world: World) -> None:
    """The app hears of one review, then of each comment; lines and ranges are as they were given."""
    here, head = await _pull(world)
    comments: list[dict[str, Any]] = [{"path": "long.txt", "line": n, "body": f"About {n}"} for n in range(2, 13)]
    comments.append({"path": "long.txt", "start_line": 20, "line": 22, "side": "RIGHT", "body": "All three"})
    data = {"event": "REQUEST_CHANGES", "body": "Please", "comments": comments}
    review = await world.stranger("POST", f"{here}/reviews", data, status=200)
    names = await world.settle()
    assert names.count("pull_request_review.submitted") == 1
    assert names.count("pull_request_review_comment.created") == 12
    told = world.receiver.last("pull_request_review.submitted").payload
    assert (told["review"]["state"], told["sender"]["login"]) == ("changes_requested", "stranger")
    shown = await world.you("GET", f"{here}/reviews/{review['id']}/comments")
    assert [(one["start_line"], one["line"], one["original_line"]) for one in shown][-2:] == [
        (None, 12, 12), (20, 22, 22),
    ]  # fmt: skip
    assert {one["commit_id"] for one in shown} == {head}


async def test_a_range_goes_from_an_earlier_line_of_the_diff_to_a_later(world: World) -> None:
    here, head = await _pull(world)
    wrong = {"path": "long.txt", "commit_id": head, "body": "x", "line": 5}
    for start in (5, 6, 99):
        await world.you("POST", f"{here}/comments", {**wrong, "start_line": start}, status=422)


async def test_an_answer_is_a_review_of_its_own_in_the_thread(world: World) -> None:
    """An answer to an answer belongs to the first comment, and is told as a review that only comments."""
    here, head = await _pull(world)
    first = await _comment(world, here, head, 3)
    bot = await world.bot()
    answer = await bot("POST", f"{here}/comments/{first['id']}/replies", {"body": "Done"})
    again = await world.you("POST", f"{here}/comments/{answer['id']}/replies", {"body": "Thanks"})
    assert (answer["in_reply_to_id"], again["in_reply_to_id"]) == (first["id"], first["id"])
    assert again["line"] == 3
    await world.settle()
    told = world.receiver.last("pull_request_review.submitted").payload
    assert (told["review"]["state"], told["review"]["id"]) == ("commented", again["pull_request_review_id"])


async def test_comments_follow_their_lines_and_are_outdated_when_these_change(
    world: World, git: Git, tmp_path: Path
) -> None:
    """A push moves comments with their lines; a comment whose lines it changes loses its place, not its past."""
    here, head = await _pull(world)
    before = await _comment(world, here, head, 2)
    changed = await _comment(world, here, head, 10)
    after = await _comment(world, here, head, 20)
    span = await _comment(world, here, head, 26, start_line=24)
    cut = await _comment(world, here, head, 30, start_line=28)
    file = await world.you(
        "POST", f"{here}/comments", {"path": "long.txt", "subject_type": "file", "commit_id": head, "body": "All"}
    )
    text = [*LINES[:9], "another ten\n", "and a half\n", *LINES[10:28], *LINES[29:]]
    clone = tmp_path / "clone"
    await git(tmp_path, "clone", "--quiet", "-b", "topic", world.remote(str(world.you.token)), str(clone))
    (clone / "long.txt").write_text("".join(text))
    await git(clone, "commit", "--quiet", "-a", "-m", "Change")
    await git(clone, "push", "--quiet")
    newer = (await git(clone, "rev-parse", "HEAD")).stdout.strip()
    assert await _seen(world, here) == {
        before["id"]: (2, None, newer),
        changed["id"]: (None, None, head),
        after["id"]: (21, None, newer),
        span["id"]: (27, 25, newer),
        cut["id"]: (None, None, head),
        file["id"]: (1, None, newer),
    }
    rows = {one["id"]: one for one in await world.you("GET", f"{here}/comments")}
    old = rows[changed["id"]]
    assert (old["original_line"], old["original_commit_id"], old["position"]) == (10, head, None)
    assert (rows[cut["id"]]["original_start_line"], rows[cut["id"]]["original_line"]) == (28, 30)
    assert rows[after["id"]]["original_line"] == 20
    answer = await world.you("POST", f"{here}/comments/{changed['id']}/replies", {"body": "Changed"})
    assert (answer["line"], answer["original_line"], answer["commit_id"]) == (None, 10, head)
    await world.settle()
    told = world.receiver.last("pull_request.synchronize").payload
    assert (told["before"], told["after"], told["sender"]["login"]) == (head, newer, "you")


async def test_comments_survive_a_merge_of_the_base_and_a_force_push(world: World) -> None:
    """Merging the base in changes no line of theirs; a head without the file leaves them outdated."""
    here, head = await _pull(world)
    made = await _comment(world, here, head, 4)
    await world.write("main", "other.txt", "other\n")
    await world.you("PUT", f"{here}/update-branch", status=202)
    newer = (await world.you("GET", here))["head"]["sha"]
    assert await _seen(world, here) == {made["id"]: (4, None, newer)}
    late = await _comment(world, here, head, 5)  # on a commit that is no longer the head
    assert (late["line"], late["commit_id"], late["original_commit_id"]) == (5, newer, head)
    other = await world.branch("other", {"else.txt": "else\n"})
    await world.you("PATCH", f"/repos/{world.repo}/git/refs/heads/topic", {"sha": other, "force": True})
    assert await _seen(world, here) == {made["id"]: (None, None, newer), late["id"]: (None, None, newer)}


async def test_comments_on_removed_lines_follow_the_old_file(world: World) -> None:
    """A comment on a line that the pull request takes away stays while it does, and is outdated when it doesn't."""
    head = await world.branch("topic", {"src/calc.py": "def add(a, b):\n    return a + b\n"})
    pull = await world.pull("topic")
    here = f"/repos/{world.repo}/pulls/{pull['number']}"
    made = await _comment(world, here, head, 2, path="src/calc.py", side="LEFT")
    newer = await world.write("topic", "src/calc.py", "# Adds.\ndef add(a, b):\n    return b + a\n")
    assert await _seen(world, here) == {made["id"]: (2, None, newer)}
    await world.write("topic", "src/calc.py", "def add(a, b):\n    return a - b\n")
    assert await _seen(world, here) == {made["id"]: (None, None, newer)}


async def test_a_verdict_is_dismissed_with_a_reason(world: World) -> None:
    here, _ = await _pull(world)
    asked = {"event": "REQUEST_CHANGES", "body": "No"}
    review = await world.stranger("POST", f"{here}/reviews", asked, status=200)
    one = f"{here}/reviews/{review['id']}"
    await world.stranger("PUT", f"{one}/dismissals", {"message": "x"}, status=403)
    await world.you("PUT", f"{one}/dismissals", {}, status=422)
    assert (await world.you("PUT", f"{one}/dismissals", {"message": "It is done"}))["state"] == "DISMISSED"
    await world.you("PUT", f"{one}/dismissals", {"message": "Again"}, status=422)
    assert (await world.stranger("PUT", one, {"body": "Yes"}))["body"] == "Yes"
    names = await world.settle()
    assert names[-2:] == ["pull_request_review.dismissed", "pull_request_review.edited"]
    told = world.receiver.last("pull_request_review.dismissed").payload
    assert (told["review"]["state"], told["sender"]["login"]) == ("dismissed", "you")


async def test_reviewers_are_asked_and_no_longer_asked(world: World) -> None:
    """The author can't be asked; a review answers the request; a request can be taken back."""
    here, _ = await _pull(world)
    path = f"{here}/requested_reviewers"
    refused = await world.you("POST", path, {"reviewers": ["you"]}, status=422)
    assert refused["message"] == "Review cannot be requested from pull request author."
    bot = await world.bot()
    await bot("POST", path, {"reviewers": ["stranger"]})
    left = await world.you("DELETE", path, {"reviewers": ["stranger", "you"]}, status=200)
    assert left["requested_reviewers"] == []
    await bot("POST", path, {"reviewers": ["stranger"]})
    await world.stranger("POST", f"{here}/reviews", {"event": "APPROVE"}, status=200)
    assert (await world.you("GET", here))["requested_reviewers"] == []
    names = [name for name in await world.settle() if "review" in name]
    assert names == [
        "pull_request.review_requested", "pull_request.review_request_removed", "pull_request.review_requested",
        "pull_request_review.submitted",
    ]  # fmt: skip
    told = world.receiver.last("pull_request.review_requested").payload
    assert (told["requested_reviewer"]["login"], told["sender"]["login"]) == ("stranger", "aurora-test[bot]")


async def test_comments_on_lines_are_edited_and_deleted_by_those_who_may(world: World) -> None:
    here, head = await _pull(world)
    made = await _comment(world, here, head, 3)
    one = f"{here.rsplit('/', 1)[0]}/comments/{made['id']}"
    await world.stranger("PATCH", one, {"body": "x"}, status=403)
    await world.stranger("DELETE", one, status=403)
    await world.you("PATCH", one, {"body": "Better"})
    await world.you("DELETE", one)
    await world.you("GET", one, status=404)
    names = await world.settle()
    assert names[-2:] == ["pull_request_review_comment.edited", "pull_request_review_comment.deleted"]


@pytest.mark.parametrize("way", ["rest", "git"])
async def test_who_deletes_the_branch_closes_the_pull_request(way: str, world: World, git: Git, tmp_path: Path) -> None:
    """However the branch goes, the pull request is closed by whoever took it away, and can't be reopened without it."""
    here, head = await _pull(world)
    if way == "rest":
        await world.you("DELETE", f"/repos/{world.repo}/git/refs/heads/topic")
    else:
        await git(tmp_path, "init", "--quiet")
        await git(tmp_path, "push", "--quiet", world.remote(str(world.you.token)), "--delete", "topic")
    await world.settle()
    told = world.receiver.last("pull_request.closed").payload
    assert (told["sender"]["login"], told["pull_request"]["merged"]) == ("you", False)
    shown = await world.you("GET", here)
    assert (shown["state"], shown["head"]["sha"]) == ("closed", head)
    await world.you("PATCH", here, {"state": "open"}, status=422)
    await world.you("POST", f"/repos/{world.repo}/git/refs", {"ref": "refs/heads/topic", "sha": head})
    assert (await world.you("PATCH", here, {"state": "open"}))["state"] == "open"
    assert (await world.settle()).count("pull_request.reopened") == 1
