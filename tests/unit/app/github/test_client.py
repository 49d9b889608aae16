"""Requests go by GitHub's rules: what is tried again, what is waited for, what is left to the caller."""

import time
from typing import Any

import jwt
import pytest

from app.domain.project import Repository
from app.errors import ForgeError, NotFound, RateLimited, Transient
from app.github.forges import GitHubForges

TOKENS = "/app/installations/5/access_tokens"
REPO = {"default_branch": "main", "full_name": "o/r"}


async def test_a_read_is_tried_again_after_a_server_error(github: Any, forges: GitHubForges, repository: Repository):
    github.on("GET", "/repos/o/r", {}, 502).on("GET", "/repos/o/r", {}, 503).on("GET", "/repos/o/r", REPO)
    assert (await forges.of(repository).info()).default_branch == "main"
    assert github.slept == [0.5, 1.0]


async def test_a_read_gives_up_after_some_tries(github: Any, forges: GitHubForges, repository: Repository):
    github.on("GET", "/repos/o/r", {}, 500)
    with pytest.raises(Transient):
        await forges.of(repository).info()
    assert len(github.sent("GET", "/repos/o/r")) == 4


async def test_a_read_is_tried_again_when_the_connection_breaks(
    github: Any, forges: GitHubForges, repository: Repository
):
    github.on("GET", "/repos/o/r", "drop").on("GET", "/repos/o/r", REPO)
    assert (await forges.of(repository).info()).default_branch == "main"


@pytest.mark.parametrize(("data", "status"), [({}, 502), ("drop", 200)])
async def test_a_write_whose_outcome_is_unknown_is_not_repeated(
    github: Any, forges: GitHubForges, repository: Repository, data: Any, status: int
):
    github.on("POST", "/repos/o/r/issues/1/comments", data, status)
    with pytest.raises(Transient):
        await forges.of(repository).comment(1, "hello")
    assert len(github.sent("POST", "/repos/o/r/issues/1/comments")) == 1


async def test_a_refused_write_is_repeated_after_the_wait_that_was_asked_for(
    github: Any, forges: GitHubForges, repository: Repository
):
    path = "/repos/o/r/issues/1/comments"
    github.on("POST", path, {"message": "slow"}, 403, retry_after="3").on("POST", path, {"id": 9}, 201)
    assert await forges.of(repository).comment(1, "hello") == 9
    assert github.slept == [3.0]


async def test_a_long_wait_is_the_callers(github: Any, forges: GitHubForges, repository: Repository):
    github.on("GET", "/repos/o/r", {"message": "You have exceeded a secondary rate limit"}, 403)
    with pytest.raises(RateLimited) as raised:
        await forges.of(repository).info()
    assert raised.value.retry_after == 60.0
    assert github.slept == []


async def test_the_reset_time_counts_where_nothing_remains(github: Any, forges: GitHubForges, repository: Repository):
    reset = str(int(time.time()) + 600)
    github.on("GET", "/repos/o/r", {}, 429, x_ratelimit_remaining="0", x_ratelimit_reset=reset)
    with pytest.raises(Transient) as raised:
        await forges.of(repository).info()
    assert raised.value.retry_after == pytest.approx(601, abs=5)


async def test_an_ordinary_refusal_is_not_a_limit(github: Any, forges: GitHubForges, repository: Repository):
    github.on("GET", "/repos/o/r", {"message": "Resource not accessible by integration"}, 403)
    with pytest.raises(ForgeError, match="not accessible") as raised:
        await forges.of(repository).info()
    assert raised.value.status == 403


async def test_a_missing_thing_is_not_found(forges: GitHubForges, repository: Repository):
    with pytest.raises(NotFound):
        await forges.of(repository).info()


async def test_a_redirected_post_stays_a_post(github: Any, forges: GitHubForges, repository: Repository):
    github.on("POST", "/repos/o/r/issues/1/comments", {}, 301, location="/repositories/1/issues/1/comments")
    github.on("POST", "/repositories/1/issues/1/comments", {"id": 4}, 201)
    assert await forges.of(repository).comment(1, "hello") == 4
    assert github.sent("POST", "/repositories/1/issues/1/comments")[0].json == {"body": "hello"}


async def test_credentials_do_not_follow_a_redirect_to_another_host(
    github: Any, forges: GitHubForges, repository: Repository
):
    github.on("GET", "/repos/o/r", {}, 302, location="http://127.0.0.1:9/steal")
    with pytest.raises(ForgeError):
        await forges.of(repository).info()


async def test_a_fresh_token_that_is_refused_is_given_some_seconds(
    github: Any, forges: GitHubForges, repository: Repository
):
    github.on("GET", "/repos/o/r", {}, 401).on("GET", "/repos/o/r", {}, 401).on("GET", "/repos/o/r", REPO)
    await forges.of(repository).info()
    assert len(github.sent("POST", TOKENS)) == 1
    assert github.slept == [1.0, 1.0]


async def test_an_old_token_that_is_refused_is_replaced(github: Any, forges: GitHubForges, repository: Repository):
    await forges.of(repository).token()
    await github.sleep(60)
    github.on("GET", "/repos/o/r", {}, 401).on("GET", "/repos/o/r", REPO)
    await forges.of(repository).info()
    assert len(github.sent("POST", TOKENS)) == 2


async def test_tokens_that_stay_refused_are_for_the_caller_to_try_again(
    github: Any, forges: GitHubForges, repository: Repository
):
    """GitHub gave them out, so it will know them."""
    github.on("GET", "/repos/o/r", {"message": "Bad credentials"}, 401)
    with pytest.raises(Transient, match="refuses a new token"):
        await forges.of(repository).info()
    assert len(github.sent("GET", "/repos/o/r")) == 10


async def test_a_new_token_that_is_refused_for_seconds_is_revoked(
    github: Any, forges: GitHubForges, repository: Repository
):
    """It was heard of by now."""
    for _ in range(5):
        github.on("GET", "/repos/o/r", {"message": "Bad credentials"}, 401)
    github.on("GET", "/repos/o/r", REPO)
    await forges.of(repository).info()
    assert len(github.sent("POST", TOKENS)) == 2


async def test_a_key_that_is_refused_is_an_error(github: Any, forges: GitHubForges):
    github.on("GET", "/repos/o/r/installation", {"message": "A JSON web token could not be decoded"}, 401)
    with pytest.raises(ForgeError, match="could not be decoded"):
        await forges.find("o/r")
    assert len(github.sent("GET", "/repos/o/r/installation")) == 1


async def test_a_token_that_github_could_not_give_is_asked_for_again(
    github: Any, forges: GitHubForges, repository: Repository
):
    """One token more does no harm."""
    token = github._answers["POST", TOKENS].popleft()
    github.on("POST", TOKENS, {}, 502).on("POST", TOKENS, "drop")
    github._answers["POST", TOKENS].append(token)
    assert await forges.of(repository).token() == "ghs_secret"


async def test_a_server_that_says_when_to_come_back_is_listened_to(
    github: Any, forges: GitHubForges, repository: Repository
):
    github.on("GET", "/repos/o/r", {}, 503, retry_after="7").on("GET", "/repos/o/r", REPO)
    await forges.of(repository).info()
    assert github.slept == [7.0]


async def test_a_server_that_is_away_for_long_is_the_callers(github: Any, forges: GitHubForges, repository: Repository):
    github.on("GET", "/repos/o/r", {}, 503, retry_after="90")
    with pytest.raises(Transient) as raised:
        await forges.of(repository).info()
    assert (raised.value.retry_after, len(github.sent("GET", "/repos/o/r"))) == (90, 1)


async def test_a_token_is_renewed_five_minutes_before_its_end(
    github: Any, forges: GitHubForges, repository: Repository
):
    forge = forges.of(repository)
    await forge.token()
    await github.sleep(54 * 60)
    await forge.token()
    assert len(github.sent("POST", TOKENS)) == 1
    await github.sleep(60)
    await forge.token()
    assert len(github.sent("POST", TOKENS)) == 2


async def test_concurrent_callers_share_one_token(github: Any, forges: GitHubForges, repository: Repository):
    import asyncio

    forge = forges.of(repository)
    tokens = await asyncio.gather(*(forge.token() for _ in range(20)))
    assert set(tokens) == {"ghs_secret"}
    assert len(github.sent("POST", TOKENS)) == 1


async def test_the_app_signs_for_less_than_ten_minutes(github: Any, forges: GitHubForges):
    await forges.identity()
    token = github.requests[0].headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["iss"] == "7"
    assert claims["exp"] - claims["iat"] <= 540
    assert 55 <= time.time() - claims["iat"] <= 70


GARBLED = [("<html>", "application/json"), ("<html>", "text/html"), ("", "application/json"), ('{"id": 9', None)]


@pytest.mark.parametrize(("text", "kind"), [*GARBLED, ("null", "application/json")])
async def test_a_read_whose_answer_is_garbled_is_tried_again(
    github: Any, forges: GitHubForges, repository: Repository, text: str, kind: str | None
):
    github.on("GET", "/repos/o/r", text, 200, content_type=kind or "application/json").on("GET", "/repos/o/r", REPO)
    assert (await forges.of(repository).info()).default_branch == "main"


@pytest.mark.parametrize(("text", "kind"), GARBLED)
async def test_garbled_answers_are_transient_and_a_write_is_not_repeated(
    github: Any, forges: GitHubForges, repository: Repository, text: str, kind: str | None
):
    path = "/repos/o/r/issues/1/comments"
    github.on("GET", "/repos/o/r", text, 200, content_type=kind or "application/json")
    github.on("POST", path, text, 201, content_type=kind or "application/json")
    with pytest.raises(Transient, match="can't be read"):
        await forges.of(repository).info()
    with pytest.raises(Transient, match="can't be read"):
        await forges.of(repository).comment(1, "hello")
    assert len(github.sent("GET", "/repos/o/r")) == 4
    assert len(github.sent("POST", path)) == 1
