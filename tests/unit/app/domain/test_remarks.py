"""What people said of a pull request becomes concerns, once each."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.concerns import Concern, ConcernKind
from app.domain.ports import Review, ReviewComment
from app.domain.remarks import Heard, unanswered

START = datetime(2026, 1, 1, tzinfo=UTC)
WRITERS = ("ada", "ann", "tool[bot]")


def comment(number: int, author: str = "ada", **more: Any) -> ReviewComment:
    values = {"thread": number, "line": 1, "start_line": None, "commit_sha": "a" * 40, **more}
    at = START + timedelta(minutes=number)
    return ReviewComment(id=number, author=author, body=f"words {number}", path="a.py", created_at=at, **values)


def review(number: int, author: str, state: str, body: str = "") -> Review:
    return Review(author, state, "a" * 40, body, START + timedelta(minutes=number), number)


def keys(reviews: Sequence[Review], comments: Sequence[ReviewComment], *taken: Concern) -> list[str]:
    return [one.key for one in unanswered(Heard(reviews, comments, WRITERS), taken)]


def taken(number: int, thread: int) -> Concern:
    return Concern(kind=ConcernKind.thread, id=number, author="ada", text="x", thread=thread)


def test_all_that_is_new_in_a_thread_is_one_concern():
    """Named after its last words, with who said what, and what was said before."""
    said = [comment(1), comment(2, "app[bot]", thread=1, by_this_app=True), comment(3, "ann", thread=1),
            comment(4, thread=1, line=7)]  # fmt: skip
    (found,) = unanswered(Heard((), said, WRITERS), [taken(1, 1)])
    assert (found.key, found.thread, found.author, found.line) == ("thread.4", 1, "ada", 7)
    assert found.text == "ann: words 3\n\nada: words 4"
    assert found.before == "ada: words 1\n\nyou: words 2"


def test_what_a_task_has_read_is_not_read_again():
    """However late its reply came; what was said meanwhile is."""
    said = [comment(1), comment(2, thread=1), comment(3, "app[bot]", thread=1, by_this_app=True)]
    assert keys((), said, taken(2, 1)) == []
    assert keys((), said, taken(1, 1)) == ["thread.2"]


def test_strangers_and_bots_want_nothing():
    """Whatever permission a bot has."""
    assert keys([review(9, "eve", "commented", "x"), review(9, "tool[bot]", "commented", "x")],
                [comment(1, "eve"), comment(2, "tool[bot]")]) == []  # fmt: skip


def test_an_approval_settles_what_its_author_said_before_and_nobody_else_s_words():
    """What comes after it counts."""
    said = [comment(1), comment(2, "ann"), comment(8)]
    assert keys([review(5, "ada", "approved", "fine")], said) == ["thread.2", "thread.8"]


def test_a_dismissed_review_counts_for_nothing_with_its_threads():
    """Its author's other words do."""
    said = [comment(1, review=5), comment(2, review=6)]
    assert keys([review(5, "ada", "dismissed", "all wrong"), review(6, "ada", "commented")], said) == ["thread.2"]


def test_the_words_of_a_review_are_a_concern_until_a_task_has_them():
    """In the order in which things were said; a review that only holds threads has none."""
    reviews = [review(3, "ada", "changes_requested", " please "), review(4, "ann", "commented")]
    assert keys(reviews, [comment(2), comment(5)]) == ["thread.2", "review.3", "thread.5"]
    had = Concern(kind=ConcernKind.review, id=3, author="ada", text="please")
    assert keys(reviews, [], had) == []
