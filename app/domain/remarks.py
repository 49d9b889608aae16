"""What people said of a pull request and nobody has taken up yet: threads and reviews become concerns. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.concerns import Concern, ConcernKind
from app.domain.pleasantries import asks_nothing
from app.domain.ports import Review, ReviewComment
from app.domain.suggestions import suggestion

DECIDING = frozenset({"approved", "changes_requested", "dismissed"})  # what else is submitted takes nothing back
SETTLED = frozenset({"approved", "dismissed"})  # what such a review says isn't waited for
WANTING = frozenset({"changes_requested", "commented"})


@dataclass(frozen=True)
class Heard:
    """What was said of a pull request, oldest first, and who of those who said it may write."""

    reviews: Sequence[Review]
    comments: Sequence[ReviewComment]
    writers: Collection[str]


def is_bot(login: str) -> bool:
    """Tell whether GitHub names an app by this login."""
    return login.endswith("[bot]")


def decisions(reviews: Iterable[Review]) -> dict[str, Review]:
    """Return the last word of each reviewer about whether the pull request is to be merged."""
    return {review.author: review for review in reviews if review.state in DECIDING}


def unanswered(heard: Heard, taken: Iterable[Concern]) -> list[Concern]:
    """Return what people with write permission want and no task has had, oldest first; bots want nothing.

    What somebody said before approving is settled by the approval, and a dismissed review doesn't count.
    """
    taken = list(taken)
    people = {login for login in heard.writers if not is_bot(login)}
    approved = {one.author: one.submitted_at for one in heard.reviews if one.state == "approved"}
    found = [*_in_threads(heard, people, approved, taken), *_in_reviews(heard, people, approved, taken)]
    return [concern for _, concern in sorted(found, key=lambda one: one[0])]


def _in_reviews(
    heard: Heard, people: Collection[str], approved: Mapping[str, datetime], taken: Sequence[Concern]
) -> Iterable[tuple[datetime, Concern]]:
    known = {concern.key for concern in taken}
    for review in heard.reviews:
        at = review.submitted_at
        if review.state not in WANTING or review.author not in people or not review.body.strip():
            continue
        if review.state == "commented" and asks_nothing(review.body):
            continue
        concern = Concern(kind=ConcernKind.review, id=review.id, author=review.author, text=review.body.strip())
        if concern.key not in known and not _settled(review.author, at, approved):
            yield at, concern


def _in_threads(
    heard: Heard, people: Collection[str], approved: Mapping[str, datetime], taken: Sequence[Concern]
) -> Iterable[tuple[datetime, Concern]]:
    # What a task has taken up tells where it stopped reading: its reply comes later than what was said meanwhile.
    read_to: dict[int, int] = {}
    for concern in taken:
        if concern.kind is ConcernKind.thread and concern.thread:
            read_to[concern.thread] = max(concern.id, read_to.get(concern.thread, 0))
    dropped = {review.id for review in heard.reviews if review.state in SETTLED} - {0}
    threads: dict[int, list[ReviewComment]] = {}
    for comment in sorted(heard.comments, key=lambda one: one.id):
        if comment.by_this_app or comment.author in people:
            threads.setdefault(comment.thread, []).append(comment)
    for thread, said in threads.items():
        new = [
            one
            for one in said
            if one.id > read_to.get(thread, 0) and not one.by_this_app and one.review not in dropped
            and not asks_nothing(one.body)
            and not _settled(one.author, one.created_at, approved)
        ]  # fmt: skip
        if new:
            before = [one for one in said if one.id < new[0].id]
            yield new[-1].created_at, _concern(thread, new, before)


def _concern(thread: int, said: Sequence[ReviewComment], before: Sequence[ReviewComment]) -> Concern:
    last = said[-1]
    return Concern(
        kind=ConcernKind.thread,
        id=last.id,
        author=last.author,
        text=last.body.strip() if len(said) == 1 else _dialogue(said),
        thread=thread,
        path=last.path,
        line=last.line,
        start_line=last.start_line,
        before=_dialogue(before),
        suggestion=suggestion(last.body, last.start_line, last.line, last.commit_sha),
    )


def _dialogue(said: Iterable[ReviewComment]) -> str:
    return "\n\n".join(f"{'you' if one.by_this_app else one.author}: {one.body.strip()}" for one in said)


def _settled(author: str, at: datetime, approved: Mapping[str, datetime]) -> bool:
    return author in approved and at <= approved[author]
