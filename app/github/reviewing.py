"""Reviews of one repository's pull requests: what people say of them, line by line, and answers in their threads."""

from collections.abc import Sequence

from app.domain.ports import Review, ReviewComment
from app.errors import ForgeError
from app.github import reading
from app.github.markdown import COMMENT_LIMIT, fit
from app.github.rest import RepositoryRest

NOT_ASKABLE = 422  # the author of a pull request, or somebody without access


class Reviewing(RepositoryRest):
    """Reads reviews and answers them."""

    async def reviews(self, number: int) -> list[Review]:
        """Return the submitted reviews, oldest first."""
        found = await self._patiently(lambda: self._list("/pulls/{number}/reviews?per_page=100", number=number))
        return [reading.review(data) for data in found if data.get("state") != "PENDING"]

    async def review_comments(self, number: int) -> list[ReviewComment]:
        """Return the comments on lines, oldest first."""
        found = await self._patiently(lambda: self._list("/pulls/{number}/comments?per_page=100", number=number))
        app = await self._shared.identity()
        return [reading.review_comment(data, app) for data in found]

    async def reply(self, number: int, thread: int, body: str) -> int:
        """Answer in the thread that begins with the comment `thread`; return the id of the answer."""
        content = {"body": fit(body, COMMENT_LIMIT)}
        path = "/pulls/{number}/comments/{thread}/replies"
        made = await self._patiently(lambda: self._post(path, content, number=number, thread=thread))
        return int(made["id"])

    async def find_reply(self, number: int, marker: str) -> int | None:
        """Return the id of the app's own comment on lines with `marker` in it; None: not even after a moment."""

        async def find() -> int | None:
            every = await self.review_comments(number)
            return next((one.id for one in every if one.by_this_app and marker in one.body), None)

        return await self._sooner_or_later(find)

    async def request_reviews(self, number: int, logins: Sequence[str]) -> None:
        """Ask these people for a review again; who can't be asked any more is left out."""
        for login in logins:
            await self._request_review(number, login)

    async def _request_review(self, number: int, login: str) -> None:
        content, path = {"reviewers": [login]}, "/pulls/{number}/requested_reviewers"
        try:
            await self._patiently(lambda: self._post(path, content, number=number))
        except ForgeError as error:
            if error.status != NOT_ASKABLE:
                raise
