"""Reviewing on a page: ranges, suggestions, threads, verdicts, reviewers and branches, as REST and the app see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Site

REPO = "/repos/acme/shop"
HOME = "/acme/shop"


async def _comment(site: Site, pull: dict[str, Any], **fields: Any) -> dict[str, Any]:
    data = {"path": "new.py", "commit_id": pull["head"]["sha"], "line": 2, "body": "Why?", **fields}
    made: dict[str, Any] = await site.rest("POST", f"{REPO}/pulls/{pull['number']}/comments", data)
    return made


async def test_several_lines_are_commented_on_and_replaced_by_a_suggestion(site: Site) -> None:
    """A comment from the files page may be on a range; its suggestion is shown as what goes and what comes."""
    pull = await site.pull()
    here = f"{HOME}/pull/{pull['number']}"
    you = await site.person()
    body = "Shorter:\r\n```suggestion\r\nboth = <1>, 2\r\n```"
    fields = {"path": "new.py", "side": "RIGHT", "line": "2", "start_line": "1", "commit_id": pull["head"]["sha"]}
    page = await you.send(f"{here}/files", {**fields, "body": body}, seen=f"{here}/files?path=new.py&side=RIGHT&line=2")
    assert page.path == f"{here}/files"
    made = (await site.rest("GET", f"{REPO}/pulls/{pull['number']}/comments"))[0]
    assert (made["start_line"], made["line"]) == (1, 2)
    assert "On lines 1 to 2" in page.words
    for shown in (page, await you.see(here)):
        assert '<tr class="del"><td class="c"><span class="sign">&minus;</span>first = 1</td></tr>' in shown.text
        assert '<tr class="del"><td class="c"><span class="sign">&minus;</span>second = 2</td></tr>' in shown.text
        assert '<tr class="add"><td class="c"><span class="sign">+</span>both = &lt;1&gt;, 2</td></tr>' in shown.text
    for wrong in ("99", "x"):
        bad = await you.send(f"{here}/files", {**fields, "start_line": wrong, "body": "x"}, seen=here)
        assert bad.status == 422


async def test_a_thread_is_answered_edited_and_ticked(site: Site) -> None:
    """Answers stand under the comment that they answer, on either page, and mere answers are no reviews to see."""
    pull = await site.pull()
    here = f"{HOME}/pull/{pull['number']}"
    made = await _comment(site, pull, body="- [ ] Say why")
    answer = {"body": "Because **so**."}
    bot = await site.bot()
    await site.rest("POST", f"{REPO}/pulls/{pull['number']}/comments/{made['id']}/replies", answer, bot)
    you = await site.person()
    thread = f"{here}/comments/{made['id']}"
    page = await you.send(f"{thread}/replies", {"body": "I see", "on": "files"}, seen=here)
    assert page.path == f"{here}/files"
    conversation = await you.see(here)
    for shown in (page, conversation):
        places = [shown.words.index(words) for words in ("Say why", "Because so.", "I see")]
        assert places == sorted(places)
    assert conversation.text.count('id="pullrequestreview-') == 1
    version = conversation.text.split(f'id="tick-remark-{made["id"]}"')[1].split('name="seen" value="')[1][:16]
    await you.send(f"{thread}/tick", {"line": "0", "seen": version}, seen=here)
    comments = await site.rest("GET", f"{REPO}/pulls/{pull['number']}/comments")
    assert comments[0]["body"] == "- [x] Say why"
    assert (await (await site.person("stranger")).send(f"{thread}/delete", {}, seen=here)).status == 403
    await you.send(f"{thread}/delete", {}, seen=here)
    assert "Because so." in (await you.see(here)).words
    names = await site.names()
    assert names[-2:] == ["pull_request_review_comment.edited", "pull_request_review_comment.deleted"]


async def test_an_outdated_thread_stays_in_the_conversation(site: Site) -> None:
    """When its lines change, a thread leaves the files page and is marked in the conversation."""
    pull = await site.pull()
    here = f"{HOME}/pull/{pull['number']}"
    await _comment(site, pull, body="Not like this")
    newer = await site.commit("rewritten", "new.py", "first = 1\nsecond = 22\n")
    await site.rest("PATCH", f"{REPO}/git/refs/heads/topic", {"sha": newer, "force": True})
    you = await site.person()
    assert "Not like this" not in (await you.see(f"{here}/files")).words
    conversation = (await you.see(here)).words
    assert conversation.index("outdated") < conversation.index("Not like this")


async def test_a_verdict_is_dismissed_and_reviewers_are_asked(site: Site) -> None:
    """The page asks people for a review, takes that back, and takes the weight from a verdict."""
    pull = await site.pull()
    here = f"{HOME}/pull/{pull['number']}"
    no = {"event": "REQUEST_CHANGES", "body": "No"}
    await site.rest("POST", f"{REPO}/pulls/{pull['number']}/reviews", no, site.token("stranger"))
    review = (await site.rest("GET", f"{REPO}/pulls/{pull['number']}/reviews"))[0]
    you = await site.person()
    await you.send(f"{here}/reviews/{review['id']}/dismissals", {"message": "Solved"}, seen=here)
    assert "had a review dismissed" in (await you.see(here)).words
    await you.send(f"{here}/reviewers", {"login": "@stranger"}, seen=here)
    shown = await site.rest("GET", f"{REPO}/pulls/{pull['number']}")
    assert [one["login"] for one in shown["requested_reviewers"]] == ["stranger"]
    await you.send(f"{here}/reviewers", {"login": "stranger", "action": "remove"}, seen=here)
    assert (await you.send(f"{here}/reviewers", {"login": "nobody-here"}, seen=here)).status == 422
    assert (await site.names())[-3:] == [
        "pull_request_review.dismissed", "pull_request.review_requested", "pull_request.review_request_removed",
    ]  # fmt: skip


async def test_branches_are_updated_changed_and_deleted(site: Site) -> None:
    """Merge the base in, take another base, and delete the branch once the pull request is closed; reopen it then."""
    pull = await site.pull()
    here, api = f"{HOME}/pull/{pull['number']}", f"{REPO}/pulls/{pull['number']}"
    you = await site.person()
    assert "Update branch" not in (await you.see(here)).words
    await site.commit("main", "else.py", "x = 1\n")
    assert "Update branch" in (await you.see(here)).words
    await you.send(f"{here}/update", {"sha": pull["head"]["sha"]}, seen=here)
    newer = (await site.rest("GET", api))["head"]["sha"]
    assert newer != pull["head"]["sha"]
    await site.commit("release", "notes.txt", "notes\n")
    await you.send(f"{here}/base", {"base": "release"}, seen=here)
    assert (await site.rest("GET", api))["base"]["ref"] == "release"
    stranger = await site.person("stranger")
    for action in ("base", "update", "delete-branch"):
        assert (await stranger.send(f"{here}/{action}", {"base": "main"}, seen=here)).status in {403, 404}
    await you.send(f"{HOME}/issues/{pull['number']}/comments", {"body": "", "state": "closed"}, seen=here)
    page = await you.send(f"{here}/delete-branch", {}, seen=here)
    assert "was deleted" in page.words
    refused = await you.send(f"{HOME}/issues/{pull['number']}/comments", {"state": "open"}, seen=here)
    assert refused.status == 422
    assert (await site.names())[-2:] == ["pull_request.closed", "push"]
