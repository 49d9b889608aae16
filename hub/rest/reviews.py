"""REST for reviews and comments on lines."""

from __future__ import annotations

from hub.rest.call import Call, Reply, Routes
from hub.services import pull_rows, reviews
from hub.store import Row
from hub.views import pulls as views

routes = Routes()
PULLS = "/repos/{owner}/{repo}/pulls"
ONE = f"{PULLS}/{{pull_number}}"


def _pull(call: Call) -> Row:
    return pull_rows.find(call.hub, call.repo, call.number("pull_number"))


@routes.add(f"GET {ONE}/reviews")
async def list_reviews(call: Call) -> Reply:
    rows, links = call.page(reviews.listed(call.hub, call.repo, _pull(call)))
    return Reply([views.review(call.urls, row) for row in rows], headers=links)


@routes.add(f"POST {ONE}/reviews")
async def create_review(call: Call) -> Reply:
    row = await reviews.create(call.hub, call.actor, call.repo, call.number("pull_number"), call.data)
    return Reply(views.review(call.urls, row))


@routes.add(f"GET {ONE}/reviews/{{review_id}}")
async def get_review(call: Call) -> Reply:
    row = reviews.find(call.hub, call.repo, _pull(call), call.number("review_id"))
    return Reply(views.review(call.urls, row))


@routes.add(f"PUT {ONE}/reviews/{{review_id}}")
async def edit_review(call: Call) -> Reply:
    number, review = call.number("pull_number"), call.number("review_id")
    row = await reviews.edit(call.hub, call.actor, call.repo, number, review, call.data)
    return Reply(views.review(call.urls, row))


@routes.add(f"PUT {ONE}/reviews/{{review_id}}/dismissals")
async def dismiss_review(call: Call) -> Reply:
    number, review = call.number("pull_number"), call.number("review_id")
    row = await reviews.dismiss(call.hub, call.actor, call.repo, number, review, call.data)
    return Reply(views.review(call.urls, row))


@routes.add(f"GET {ONE}/reviews/{{review_id}}/comments")
async def list_review_comments(call: Call) -> Reply:
    pull = _pull(call)
    review = reviews.find(call.hub, call.repo, pull, call.number("review_id"))
    return _comments(call, reviews.comments(call.hub, call.repo, pull, review["id"]))


@routes.add(f"GET {ONE}/comments")
async def list_comments(call: Call) -> Reply:
    return _comments(call, reviews.comments(call.hub, call.repo, _pull(call)))


def _comments(call: Call, rows: list[Row]) -> Reply:
    page, links = call.page(rows)
    return Reply([views.review_comment(call.urls, row) for row in page], headers=links)


@routes.add(f"POST {ONE}/comments")
async def create_comment(call: Call) -> Reply:
    row = await reviews.comment(call.hub, call.actor, call.repo, call.number("pull_number"), call.data)
    return Reply(views.review_comment(call.urls, row), 201)


@routes.add(f"POST {ONE}/comments/{{comment_id}}/replies")
async def reply_to_comment(call: Call) -> Reply:
    number, comment = call.number("pull_number"), call.number("comment_id")
    row = await reviews.reply(call.hub, call.actor, call.repo, number, comment, call.data)
    return Reply(views.review_comment(call.urls, row), 201)


@routes.add(f"GET {PULLS}/comments/{{comment_id}}")
async def get_comment(call: Call) -> Reply:
    row = reviews.load_comment(call.hub, call.repo, call.number("comment_id"))
    return Reply(views.review_comment(call.urls, row))


@routes.add(f"PATCH {PULLS}/comments/{{comment_id}}")
async def edit_comment(call: Call) -> Reply:
    row = await reviews.edit_comment(call.hub, call.actor, call.repo, call.number("comment_id"), call.data)
    return Reply(views.review_comment(call.urls, row))


@routes.add(f"DELETE {PULLS}/comments/{{comment_id}}")
async def delete_comment(call: Call) -> Reply:
    await reviews.delete_comment(call.hub, call.actor, call.repo, call.number("comment_id"))
    return Reply(status=204)
