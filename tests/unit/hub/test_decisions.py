"""The hub's pure decisions: reading diffs, closing words, suites, permissions, pages of a list."""

from __future__ import annotations

import hashlib
import hmac
import re
from pathlib import Path

import pytest

from hub.auth import Actor
from hub.diffs import line_after, position_in, read_changes
from hub.errors import ApiError
from hub.manifest import BadManifest, parse, read
from hub.permissions import RULES, at_least, check
from hub.rest.fields import check_body
from hub.rest.routes import ALL
from hub.services.checks import latest, summary
from hub.services.labels import names_in
from hub.services.merged import closing_numbers
from hub.views.repos import role_permissions
from hub.webhooks import sign

PATCH = "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n@@ -10,2 +10,3 @@\n ten\n+more\n eleven"


@pytest.mark.parametrize(
    ("line", "side", "position"),
    [(1, "RIGHT", 1), (2, "LEFT", 2), (2, "RIGHT", 3), (3, "RIGHT", 4), (11, "RIGHT", 7), (11, "LEFT", 8)],
)
def test_a_line_is_found_in_its_patch(line: int, side: str, position: int) -> None:
    found = position_in(PATCH, line, side)
    assert found is not None
    assert found[0] == position


@pytest.mark.parametrize(
    ("line", "after"), [(1, 1), (2, None), (3, 3), (7, 7), (10, 10), (11, 12), (12, 13), (99, 100)]
)
def test_a_line_is_followed_through_a_patch(line: int, after: int | None) -> None:
    """A line keeps its number, moves with what was added before it, or is gone."""
    assert line_after(PATCH, line) == after


def test_a_line_outside_the_patch_is_not_found() -> None:
    assert position_in(PATCH, 5, "RIGHT") is None


def test_changes_join_names_counts_and_patches() -> None:
    """A rename, a binary file and a file that became a link are told apart."""
    a, b = "a" * 40, "b" * 40
    raw = (
        f":100644 100644 {a} {b} R090\0old.txt\0new.txt\0:000000 100644 {a} {b} A\0x.bin\0"
        f":100644 120000 {a} {b} T\0link\0001\t2\t\0old.txt\0new.txt\0-\t-\tx.bin\0001\t1\tlink\0"
    )
    patch = (
        "diff --git a/old.txt b/new.txt\nrename\n--- a\n+++ b\n@@ -1,2 +1 @@\n-x\n-y\n+z\n"
        "diff --git a/x.bin b/x.bin\nBinary files differ\n"
        "diff --git a/link b/link\ndeleted\n--- a\n+++ b\n@@ -1 +0,0 @@\n-file\n"
        "diff --git a/link b/link\nnew file\n--- a\n+++ b\n@@ -0,0 +1 @@\n+target\n"
    )
    renamed, binary, link = read_changes(raw, patch)
    assert (renamed.path, renamed.previous_path, renamed.status) == ("new.txt", "old.txt", "renamed")
    assert (renamed.additions, renamed.deletions, renamed.patch) == (1, 2, "@@ -1,2 +1 @@\n-x\n-y\n+z")
    assert (binary.status, binary.patch) == ("added", None)
    assert (link.status, link.patch) == ("changed", "@@ -1 +0,0 @@\n-file\n@@ -0,0 +1 @@\n+target")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Closes #4", [4]),
        ("fixed: #4 and resolves acme/sample#5, also Fix #4", [4, 5]),
        ("closes other/repo#4", []),
        ("see #4, discloses #5, closes#6", []),
    ],
)
def test_closing_words_name_issues_of_the_same_repository(text: str, numbers: list[int]) -> None:
    assert closing_numbers(text, "acme/sample") == numbers


@pytest.mark.parametrize(
    ("runs", "state"),
    [
        ([], ("queued", None)),
        ([("queued", None)], ("queued", None)),
        ([("completed", "success"), ("queued", None)], ("in_progress", None)),
        ([("completed", "success"), ("completed", "failure")], ("completed", "failure")),
        ([("completed", "skipped"), ("completed", "success")], ("completed", "success")),
    ],
)
def test_a_suite_is_as_good_as_its_worst_run(runs: list[tuple[str, str | None]], state: tuple[str, str | None]) -> None:
    assert summary([{"status": status, "conclusion": conclusion} for status, conclusion in runs]) == state


def test_the_newest_run_of_a_name_counts() -> None:
    runs = [
        {"id": n, "app_id": app, "name": name} for n, app, name in ((1, 1, "a"), (2, 1, "b"), (3, 1, "a"), (4, 2, "a"))
    ]
    assert sorted(run["id"] for run in latest(runs)) == [2, 3, 4]


def test_every_repository_endpoint_has_a_permission() -> None:
    """No endpoint of a repository can be added without saying who may use it, but the app's own."""
    operations = {route.operation for route in ALL if "/repos/{owner}/{repo}" in route.operation}
    assert operations - set(RULES) == {"GET /repos/{owner}/{repo}/installation"}
    assert set(RULES) <= operations


def test_roles_include_one_another() -> None:
    assert at_least("admin", "write")
    assert not at_least("triage", "write")
    assert not at_least(None, "read")
    assert role_permissions("write") == {"admin": False, "maintain": False, "push": True, "triage": True, "pull": True}


@pytest.mark.parametrize(("held", "status"), [({"checks": "write"}, None), ({"checks": "read"}, 403), ({}, 403)])
def test_an_installation_is_held_to_its_permissions(held: dict[str, str], status: int | None) -> None:
    actor = Actor(installation={"id": 1}, permissions=held)
    rule = RULES["POST /repos/{owner}/{repo}/check-runs"]
    if status is None:
        check(rule, actor, None)
    else:
        with pytest.raises(ApiError) as refused:
            check(rule, actor, None)
        assert refused.value.status == status


def test_labels_come_as_names_or_objects_or_alone() -> None:
    assert names_in({"labels": ["a", {"name": "b"}, "a"]}) == ["a", "b"]
    assert names_in("a") == ["a"]
    with pytest.raises(ApiError):
        names_in([{}])


@pytest.mark.parametrize(
    "body",
    [{"draft": "yes"}, {"line": True}, {"output": []}, {"labels": "a"}, {"output": {"annotations": [{"path": 1}]}}],
)
def test_a_field_of_the_wrong_type_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(ApiError, match=re.escape("Invalid request.")):
        check_body(body)


def test_null_is_the_same_as_nothing() -> None:
    check_body({"draft": None, "labels": None, "title": 7})


def test_a_manifest_is_read_from_yaml_or_json(tmp_path: Path) -> None:
    file = tmp_path / "app.yml"
    file.write_text("name: My App!\nurl: https://x.org\nhook_attributes: {url: https://x.org/h, active: false}\n")
    manifest = read(file)
    assert (manifest.slug, manifest.webhook_url, manifest.events) == ("my-app", None, ())
    assert manifest.with_webhook("https://y.org").webhook_url == "https://y.org"
    file.write_text("name: [")
    with pytest.raises(BadManifest, match="neither YAML nor JSON"):
        read(file)
    with pytest.raises(BadManifest, match="mapping"):
        parse(["no"])


def test_a_body_is_signed_as_github_signs() -> None:
    assert sign("s", b"{}") == "sha256=" + hmac.new(b"s", b"{}", hashlib.sha256).hexdigest()
