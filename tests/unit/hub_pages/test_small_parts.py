"""Patches, words, addresses and connections, as pages need them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.diffs import Change
from hub.pages import patch, words
from hub.pages.neighbour import owner_of
from hub.pages.sessions import signing_key
from hub.pages.signing import is_local

NOW = datetime(2026, 11, 5, 12, 0, 0, tzinfo=UTC)


def test_lines_of_a_patch_have_their_numbers() -> None:
    """Removed, added and kept lines carry the numbers of their side; each hunk starts anew."""
    lines = patch.read("@@ -1,2 +1,2 @@ def f\n-old\n+new\n same\n\\ No newline at end of file\n@@ -9 +9 @@\n last")
    assert [(one.kind, one.old, one.new) for one in lines] == [
        ("hunk", None, None), ("del", 1, None), ("add", None, 1), ("same", 2, 2), ("note", None, None),
        ("hunk", None, None), ("same", 9, 9),
    ]  # fmt: skip
    assert [one.place for one in lines[1:4]] == [("LEFT", 1), ("RIGHT", 1), ("RIGHT", 2)]


def test_a_page_holds_only_so_many_lines() -> None:
    """Files beyond what a page can hold are named without their lines."""
    long = "@@ -0,0 +1,9000 @@\n" + "\n".join("+x" for _ in range(9000))
    changes = tuple(Change(f"{n}.py", None, "added", "0" * 40, 9000, 0, long) for n in range(3))
    shown = patch.files(changes)
    assert [one.lines is None for one in shown] == [False, True, True]
    assert shown[0].folded
    assert "too long" in shown[1].reason


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ("2026-11-05T11:59:58Z", "just now"),
        ("2026-11-05T11:59:20Z", "40 seconds ago"),
        ("2026-11-05T11:59:00Z", "1 minute ago"),
        ("2026-11-04T12:00:00Z", "1 day ago"),
        ("2026-09-01T12:00:00Z", "on 1 September 2026"),
    ],
)
def test_times_are_said_as_people_say_them(then: str, said: str) -> None:
    """A moment is told by its distance, or its date when that is long."""
    assert words.ago(then, NOW) == said


def test_durations_and_sizes_are_short() -> None:
    """Seconds become minutes, bytes become larger units."""
    assert words.took("2026-11-05T12:00:00Z", "2026-11-05T12:01:05Z") == "1 min 5 s"
    assert words.took(None, None) == ""
    assert [words.size(n) for n in (1, 2048, 3 * 1024**2)] == ["1 byte", "2.0 KB", "3.0 MB"]


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("/", True), ("/acme/shop?x=1", True), ("//e.org", False), ("/\\e.org", False), ("https://e.org", False),
        ("/\t/e.org", False), ("", False), ("/a\r\nX: y", False), ("javascript:x", False),
    ],
)  # fmt: skip
def test_signing_in_leads_back_to_this_site_only(address: str, local: bool) -> None:
    """Only a path of this site may follow signing in."""
    assert is_local(address) is local


def test_the_owner_of_a_connection_is_found() -> None:
    """The line whose two ports are ours tells the user; no line, no user."""
    line = "   1: 0100007F:B3F2 0100007F:20B9 01 00000000:00000000 00:00000000 00000000  1000        0 12345 1"
    assert owner_of(0xB3F2, 0x20B9, [line]) == 1000
    assert owner_of(0x20B9, 0xB3F2, [line]) is None


def test_the_signing_key_stays_and_is_private(tmp_path: Path) -> None:
    """One key for all starts, readable by its owner alone; one that was cut off is made again."""
    path = tmp_path / "key"
    key = signing_key(path)
    assert signing_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"cut")
    assert len(signing_key(path)) == 32
