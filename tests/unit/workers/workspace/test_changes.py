"""What git says of a difference becomes changes."""

from app.domain.ports import Change
from workers.workspace.changes import parse

PATCH = r"""diff --git a/a b.py b/a b.py
--- a/a b.py
+++ b/a b.py
@@ -2 +2,2 @@
-x
+y
+@@ -9 +9,99 @@
@@ -9,2 +10,0 @@
-u
-v
diff --git "a/new\nline.txt" "b/new\nline.txt"
new file mode 100644
@@ -0,0 +1,3 @@
+1
+diff --git x
+3
"""
PLAIN = (
    b":100644 100644 " + b"1" * 40 + b" " + b"2" * 40 + b" M\0a b.py\0"
    b":000000 100644 " + b"0" * 40 + b" " + b"3" * 40 + b" A\0new\nline.txt\0\0" + PATCH.encode()
)


def test_lines_are_those_of_the_new_file_and_content_cannot_pass_for_a_header() -> None:
    assert parse(PLAIN) == [
        Change("a b.py", "M", frozenset({2, 3})),
        Change("new\nline.txt", "A", frozenset({1, 2, 3})),
    ]


def test_nothing_changed_is_no_change() -> None:
    assert parse(b"") == []


def test_a_rename_shows_where_the_file_was_as_well() -> None:
    renamed = b":100644 100644 " + b"1" * 40 + b" " + b"1" * 40 + b" R100\0old\0new\0\0diff --git a/old b/new\n"
    assert parse(renamed) == [Change("new", "R"), Change("old", "D")]
