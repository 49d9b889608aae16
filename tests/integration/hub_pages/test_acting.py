"""What a person does on a page is what REST would do: the same state, the same webhooks, the same refusals."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hub.pages.boxes import version

if TYPE_CHECKING:
    from conftest import Site

REPO = "/repos/acme/shop"
HOME = "/acme/shop"


async def test_an_issue_is_opened_with_labels(site: Site) -> None:
    """The form opens an issue that REST shows and the app hears of, labels and all."""
    you = await site.person()
    fields = {"title": "Discounts", "body": "Two\r\nlines", "labels": ["bug", "aurora", ""]}
    page = await you.send(f"{HOME}/issues", fields, seen=f"{HOME}/issues/new")
    assert page.path == f"{HOME}/issues/1"
    issue = await site.rest("GET", f"{REPO}/issues/1")
    assert (issue["title"], issue["body"], issue["user"]["login"]) == ("Discounts", "Two\nlines", "you")
    assert issue["html_url"] == site.url + page.path
    assert {one["name"] for one in issue["labels"]} == {"aurora", "bug"}
    assert (await site.names())[-3:] == ["issues.opened", "issues.labeled", "issues.labeled"]
    assert "Discounts" in (await you.see(f"{HOME}/issues")).words


async def test_labels_come_and_go(site: Site) -> None:
    """A label is put on and taken off, and each time the app is told."""
    you = await site.person()
    await site.rest("POST", f"{REPO}/issues", {"title": "One"})
    await you.send(f"{HOME}/issues/1/labels", {"label": "bug", "new": "aurora"}, seen=f"{HOME}/issues/1")
    await you.send(f"{HOME}/issues/1/labels", {"label": "bug", "new": ""}, seen=f"{HOME}/issues/1")
    labels = await site.rest("GET", f"{REPO}/issues/1/labels")
    assert [one["name"] for one in labels] == ["aurora", "bug"]
    await you.send(f"{HOME}/issues/1/labels/remove", {"label": "bug"}, seen=f"{HOME}/issues/1")
    assert [one["name"] for one in await site.rest("GET", f"{REPO}/issues/1/labels")] == ["aurora"]
    assert (await site.names())[-3:] == ["issues.labeled", "issues.labeled", "issues.unlabeled"]
    assert site.heard[-1][1]["label"]["name"] == "bug"


async def test_a_conversation_ends_and_begins_again(site: Site) -> None:
    """Comments are written, an issue is closed with a last word, as not planned, and reopened."""
    you = await site.person()
    await site.rest("POST", f"{REPO}/issues", {"title": "One"})
    page = await you.send(f"{HOME}/issues/1/comments", {"body": "Hello **you**"}, seen=f"{HOME}/issues/1")
    assert "<strong>you</strong>" in page.text
    seen = f"{HOME}/issues/1"
    await you.send(f"{HOME}/issues/1/comments", {"body": "Done.", "state": "closed"}, seen=seen)
    assert (await site.rest("GET", f"{REPO}/issues/1"))["state_reason"] == "completed"
    await you.send(f"{HOME}/issues/1/comments", {"body": "", "state": "open"}, seen=seen)
    assert (await site.rest("GET", f"{REPO}/issues/1"))["state"] == "open"
    await you.send(f"{HOME}/issues/1/comments", {"body": " ", "state": "closed:not_planned"}, seen=seen)
    assert (await site.rest("GET", f"{REPO}/issues/1"))["state_reason"] == "not_planned"
    comments = await site.rest("GET", f"{REPO}/issues/1/comments")
    assert [one["body"] for one in comments] == ["Hello **you**", "Done."]
    assert (await site.names())[-5:] == [
        "issue_comment.created", "issue_comment.created", "issues.closed", "issues.reopened", "issues.closed",
    ]  # fmt: skip


async def test_a_pull_request_is_reviewed_and_merged(site: Site) -> None:
    """Request changes, comment on a line, approve, squash: all seen by REST and told to the app."""
    pull = await site.pull(title="Add things", body="Closes #9")
    here, sha = f"{HOME}/pull/{pull['number']}", pull["head"]["sha"]
    you = await site.person()
    seen = await you.see(here)
    assert "Add things" in seen.words
    assert pull["html_url"] == site.url + here
    await you.send(f"{here}/reviews", {"event": "REQUEST_CHANGES", "body": "Not yet", "commit_id": sha}, seen=here)
    line = {"path": "new.py", "side": "RIGHT", "line": "2", "commit_id": sha, "body": "Why `2`?"}
    form = await you.see(f"{here}/files?path=new.py&side=RIGHT&line=2")
    assert 'id="here"' in form.text
    await you.send(f"{here}/files", line, seen=here)
    await you.send(f"{here}/reviews", {"event": "APPROVE", "body": "", "commit_id": sha}, seen=here)
    reviews = await site.rest("GET", f"{REPO}/pulls/{pull['number']}/reviews")
    assert [one["state"] for one in reviews] == ["CHANGES_REQUESTED", "COMMENTED", "APPROVED"]
    comments = await site.rest("GET", f"{REPO}/pulls/{pull['number']}/comments")
    assert [(one["path"], one["line"], one["body"]) for one in comments] == [("new.py", 2, "Why `2`?")]
    assert "Why <code>2</code>?" in (await you.see(f"{here}/files")).text

    merged = await you.send(f"{here}/merge", {"method": "squash", "sha": sha}, seen=here)
    assert "Merged" in merged.words
    state = await site.rest("GET", f"{REPO}/pulls/{pull['number']}")
    assert (state["merged"], state["merged_by"]["login"]) == (True, "you")
    commit = await site.rest("GET", f"{REPO}/commits/{state['merge_commit_sha']}")
    assert len(commit["parents"]) == 1
    names = await site.names()
    assert names.count("pull_request_review.submitted") == 3
    assert {"pull_request_review_comment.created", "pull_request.closed", "push"} <= set(names)


async def test_a_merge_of_what_was_not_seen_is_refused(site: Site) -> None:
    """When the branch moved since the page was shown, merging says so in a sentence."""
    pull = await site.pull()
    here = f"{HOME}/pull/{pull['number']}"
    you = await site.person()
    await site.commit("topic", "more.py", "x = 1\n", await site.bot())
    page = await you.send(f"{here}/merge", {"method": "merge", "sha": pull["head"]["sha"]}, seen=here)
    assert page.status == 409
    assert "Head branch was modified" in page.words
    assert (await site.rest("GET", f"{REPO}/pulls/{pull['number']}"))["merged"] is False


async def test_pull_requests_are_commented_on_labelled_and_closed(site: Site) -> None:
    """The issue side of a pull request works on its page too, and the visit ends there."""
    pull = await site.pull()
    here, issue = f"{HOME}/pull/{pull['number']}", f"{HOME}/issues/{pull['number']}"
    you = await site.person()
    page = await you.send(f"{issue}/comments", {"body": "Nice"}, seen=here)
    assert (page.path, "Nice" in page.words) == (here, True)
    await you.send(f"{issue}/labels", {"label": "bug", "new": ""}, seen=here)
    await you.send(f"{issue}/comments", {"body": "", "state": "closed"}, seen=here)
    shown = await site.rest("GET", f"{REPO}/pulls/{pull['number']}")
    assert (shown["state"], [one["name"] for one in shown["labels"]]) == ("closed", ["bug"])
    assert (await site.names())[-3:] == ["issue_comment.created", "pull_request.labeled", "pull_request.closed"]


async def test_a_check_is_read_and_asked_for_again(site: Site) -> None:
    """A run's page tells its report and annotations; its buttons send the app check_run events."""
    pull = await site.pull()
    annotation = {
        "path": "new.py", "start_line": 2, "end_line": 2, "annotation_level": "failure", "message": "second is wrong",
    }  # fmt: skip
    output = {"title": "1 of 2 failed", "summary": "**Sad**", "annotations": [annotation]}
    button = {"label": "Fix it", "description": "Have it fixed", "identifier": "fix"}
    done = {"status": "completed", "conclusion": "failure", "output": output, "actions": [button]}
    run = await site.rest(
        "POST", f"{REPO}/check-runs", {"name": "tests", "head_sha": pull["head"]["sha"], **done}, await site.bot()
    )
    you = await site.person()
    page = await you.see(run["html_url"].removeprefix(site.url))
    for words in ("1 of 2 failed", "Sad", "second is wrong", "new.py:2", "failure"):
        assert words in page.words
    assert "Some checks were not successful" in (await you.see(f"{HOME}/pull/{pull['number']}")).words
    assert "1 of 2 failed" in (await you.see(f"{HOME}/pull/{pull['number']}/checks")).words
    for action in ("rerequest", "rerequest-all"):
        await you.send(f"{page.path}/{action}", {}, seen=page.path)
    assert (await site.names())[-2:] == ["check_run.rerequested", "check_suite.rerequested"]


async def test_a_button_of_a_check_is_pressed(site: Site) -> None:
    """The page shows what the app offers; pressing it tells the app which button it was."""
    pull = await site.pull()
    fix = {"label": "Fix formatting", "description": "Commit what it makes", "identifier": "format"}
    data = {"name": "lint", "head_sha": pull["head"]["sha"], "conclusion": "failure", "actions": [fix]}
    run = await site.rest("POST", f"{REPO}/check-runs", data, await site.bot())
    you, seen = await site.person(), f"{HOME}/runs/{run['id']}"
    assert "Fix formatting" in (await you.see(seen)).words
    stranger = await site.person("stranger")
    assert "Fix formatting" not in (await stranger.see(seen)).words
    assert (await stranger.send(f"{seen}/actions", {"identifier": "format"}, seen=seen)).status == 403
    await you.send(f"{seen}/actions", {"identifier": "format"}, seen=seen)
    assert (await site.names())[-1] == "check_run.requested_action"
    assert site.heard[-1][1]["requested_action"] == {"identifier": "format"}


async def test_a_delivery_is_read_and_sent_again(site: Site) -> None:
    """The owner of an app sees what it was sent and answered, and sends it once more under the same id."""
    site.app_answers = 500
    await site.rest("POST", f"{REPO}/issues", {"title": "Hear this"})
    await site.names()
    you = await site.person()
    listed = await you.see("/deliveries?event=issues")
    assert "issues.opened" in listed.words
    address = listed.text.split('class="strong" href="')[1].split('"')[0]
    shown = await you.see(address)
    for words in ("Hear this", "X-Hub-Signature-256", "thanks", "Invalid HTTP Response: 500"):
        assert words in shown.words
    site.app_answers = 202
    again = await you.send(f"{address}/attempts", {}, seen=address)
    assert again.path != address
    await site.names()
    assert [event for event, _ in site.heard].count("issues") == 2
    assert "OK (202)" in (await you.see(again.path)).words
    assert (await (await site.person("stranger")).see(address)).status == 404


async def test_rights_are_the_same_as_by_rest(site: Site) -> None:
    """Somebody without rights may open and comment, and is refused labels, merges and other people's issues."""
    pull = await site.pull()
    here = f"{HOME}/pull/{pull['number']}"
    issue = await site.rest("POST", f"{REPO}/issues", {"title": "Yours"})
    stranger = await site.person("stranger")
    seen = f"{HOME}/issues/{issue['number']}"
    shown = await stranger.see(here)
    assert "Merge pull request" not in shown.words
    assert "Add a label" not in shown.words
    merge = {"method": "merge", "sha": pull["head"]["sha"]}
    assert (await stranger.send(f"{here}/merge", merge, seen=here)).status == 404
    assert (await stranger.send(f"{seen}/labels", {"new": "aurora"}, seen=seen)).status == 403
    assert (await stranger.send(f"{seen}/comments", {"body": "", "state": "closed"}, seen=seen)).status == 403
    assert (await stranger.send(f"{seen}/comments", {"body": "Me too"}, seen=seen)).status == 200
    assert (await site.rest("GET", f"{REPO}/pulls/{pull['number']}"))["merged"] is False
    assert (await site.rest("GET", f"{REPO}/issues/{issue['number']}"))["state"] == "open"
    mine = await stranger.send(f"{HOME}/issues", {"title": "Mine", "labels": ["bug"]}, seen=f"{HOME}/issues/new")
    assert (await site.rest("GET", f"/repos{mine.path}"))["labels"] == []


async def test_a_refused_form_says_why_and_keeps_what_was_written(site: Site) -> None:
    """Validation is told in a sentence, with the text that would be lost."""
    you = await site.person()
    page = await you.send(f"{HOME}/issues", {"title": " ", "body": "Long thought"}, seen=f"{HOME}/issues/new")
    assert page.status == 422
    assert "Title is missing." in page.words
    assert "Long thought" in page.words


async def test_a_box_in_somebodys_comment_is_ticked(site: Site) -> None:
    """Ticking a box edits the comment: the app hears who did it and what the comment said before."""
    await site.rest("POST", f"{REPO}/issues", {"title": "One", "body": "- [ ] mine"})
    plan = "Plan\r\n\r\n- [ ] **Approve** this plan\r\n- [x] done\r\n\r\n```\r\n- [ ] no box\r\n```"
    made = await site.rest("POST", f"{REPO}/issues/1/comments", {"body": plan}, await site.bot())
    you, seen = await site.person(), f"{HOME}/issues/1"
    shown = await you.see(seen)
    boxes = re.findall(r'role="checkbox" form="([\w-]+)" name="line" value="(\d+)" aria-checked="(\w+)"', shown.text)
    anchor = f"tick-issuecomment-{made['id']}"
    assert boxes == [("tick-issue-1", "0", "false"), (anchor, "2", "false"), (anchor, "3", "true")]
    version = re.search(rf'id="{anchor}".*?name="seen" value="(\w+)"', shown.text)
    assert version is not None
    fields = {"line": "2", "seen": version[1]}
    ticked = await you.send(f"{HOME}/issues/comments/{made['id']}/tick", fields, seen=seen)
    assert ticked.path == seen
    now = await site.rest("GET", f"{REPO}/issues/comments/{made['id']}")
    assert now["body"] == plan.replace("[ ] **Approve", "[x] **Approve")
    assert (await site.names())[-1] == "issue_comment.edited"
    told = site.heard[-1][1]
    assert (told["sender"]["login"], told["changes"]) == ("you", {"body": {"from": plan}})
    assert told["comment"]["user"]["login"] == "helper[bot]"
    stale = await you.send(f"{HOME}/issues/comments/{made['id']}/tick", fields, seen=seen)
    assert (stale.status, "changed since" in stale.words) == (409, True)
    first = re.search(r'id="tick-issue-1".*?name="seen" value="(\w+)"', shown.text)
    assert first is not None
    await you.send(f"{HOME}/issues/1/tick", {"line": "0", "seen": first[1]}, seen=seen)
    assert (await site.rest("GET", f"{REPO}/issues/1"))["body"] == "- [x] mine"


async def test_what_somebody_wrote_is_changed_and_deleted(site: Site) -> None:
    """Those with write permission edit and delete any comment, title and text; others only see them."""
    pull = await site.pull()
    made = await site.rest("POST", f"{REPO}/issues/1/comments", {"body": "- [ ] teh plan"}, await site.bot())
    here, comment = f"{HOME}/pull/{pull['number']}", f"{HOME}/issues/comments/{made['id']}"
    stranger = await site.person("stranger")
    shown = await stranger.see(here)
    assert 'role="checkbox"' not in shown.text
    assert ">Edit" not in shown.text
    for action in ("edit", "tick", "delete"):
        fields = {"body": "mine", "line": "0", "seen": version("- [ ] teh plan")}
        assert (await stranger.send(f"{comment}/{action}", fields, seen=here)).status == 403
    you = await site.person()
    edited = await you.send(f"{comment}/edit", {"body": "The plan"}, seen=here)
    assert (edited.path, "The plan" in edited.words) == (here, True)
    await you.send(f"{comment}/delete", {}, seen=here)
    await you.send(f"{HOME}/issues/1/edit", {"title": "Better", "body": "Text"}, seen=here)
    assert (await site.names())[-3:] == ["issue_comment.edited", "issue_comment.deleted", "pull_request.edited"]
    assert site.heard[-1][1]["changes"] == {"title": {"from": "A change"}, "body": {"from": "It adds."}}


async def test_an_app_is_kept_out_and_let_in_again(site: Site) -> None:
    """Its page takes a repository away from it, suspends it, takes it off and installs it again."""
    you, seen = await site.person(), "/apps/helper"
    number = (await site.rest("GET", "/user/installations"))["installations"][0]["id"]
    repo = (await site.rest("GET", REPO))["id"]
    manage = f"/settings/installations/{number}"
    assert (await you.see(manage)).path == seen
    for action, said in (
        ("withhold", "not seen"), ("give", "Take access away"), ("suspend", "Suspended by you"),
        ("unsuspend", "Suspend"), ("delete", "It isn't installed here"),
    ):  # fmt: skip
        page = await you.send(manage, {"action": action, "repository": str(repo)}, seen=seen)
        assert (page.path, said in page.words) == (seen, True), action
    await you.send(f"{seen}/installations", {"account": "acme"}, seen=seen)
    assert (await site.names())[-6:] == [
        "installation_repositories.removed", "installation_repositories.added", "installation.suspend",
        "installation.unsuspend", "installation.deleted", "installation.created",
    ]  # fmt: skip
    stranger = await site.person("stranger")
    assert "Uninstall" not in (await stranger.see(seen)).words
    assert (await stranger.send(f"{seen}/installations", {"account": "acme"}, seen="/")).status == 404


async def test_an_issue_is_deleted_for_good(site: Site) -> None:
    """An administrator deletes it; it is gone from pages and REST, and its number isn't given again."""
    await site.rest("POST", f"{REPO}/issues", {"title": "Never mind", "labels": ["bug"]})
    made = await site.rest("POST", f"{REPO}/issues/1/comments", {"body": "Hm"})
    await site.rest("POST", f"{REPO}/issues/comments/{made['id']}/reactions", {"content": "eyes"})
    seen = f"{HOME}/issues/1"
    stranger = await site.person("stranger")
    assert "Delete this issue" not in (await stranger.see(seen)).words
    assert (await stranger.send(f"{seen}/delete", {}, seen=seen)).status == 403
    you = await site.person()
    page = await you.send(f"{seen}/delete", {}, seen=seen)
    assert (page.path, "Never mind" in page.words) == (f"{HOME}/issues", False)
    assert (await site.names())[-1] == "issues.deleted"
    assert site.heard[-1][1]["issue"]["title"] == "Never mind"
    gone = await you.see(seen)
    assert (gone.status, "was deleted" in gone.words) == (410, True)
    assert (await site.rest("POST", f"{REPO}/issues", {"title": "Next"}))["number"] == 2
    await site.pull()
    assert (await you.send(f"{HOME}/issues/3/delete", {}, seen=f"{HOME}/pull/3")).status == 422
