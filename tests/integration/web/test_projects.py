"""Programs ask for projects and read them; every answer is as the description says."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import aiohttp
import jsonschema_rs
import pytest

from app.domain.artifacts import ArtifactKind, Periods
from app.settings import Settings
from app.storage.artifacts import Artifacts
from app.storage.pool import Pool
from app.web import openapi
from app.web.portal import open_portal
from app.web.server import create_app
from workers.archive import Archive
from workers.exposition import expose

if TYPE_CHECKING:
    from conftest import Begin, Serve, Site, Story

TOKEN = "the operator's long token"
WANTED = {"repository": "acme/shop", "text": "# Totals\n\nRound them to cents."}
Ask = Callable[..., Awaitable[aiohttp.ClientResponse]]


@pytest.fixture
async def ask(site: "Site") -> Ask:
    """Ask the server, and compare each answer with the description that it serves."""
    description = await site.get("/openapi.json", token=None)

    async def one(method: str, path: str, **more: Any) -> aiohttp.ClientResponse:
        answer = await site.ask(method, path, **more)
        await matches(description, method, path.partition("?")[0], answer)
        return answer

    return one


async def matches(description: dict[str, Any], method: str, path: str, answer: aiohttp.ClientResponse) -> None:
    """Fail when an answer isn't described, or not like this."""
    for template, operations in description["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            described = operations[method.lower()]["responses"][str(answer.status)]["content"]
            assert answer.content_type in described, f"{method} {path}: {answer.content_type}"
            if "json" in answer.content_type:
                schema = {**described[answer.content_type]["schema"], "components": description["components"]}
                jsonschema_rs.Draft202012Validator(schema).validate(await answer.json(content_type=None))
            return
    raise AssertionError(f"{path} isn't described")


async def test_what_is_asked_for_is_stored_and_can_be_read_at_once(ask: Ask):
    answer = await ask("POST", "/projects", json={**WANTED, "requested_by": "ann"})
    assert answer.status == 202
    made = await answer.json()
    assert answer.headers["Location"] == f"/projects/{made['id']}"
    found = await (await ask("GET", answer.headers["Location"])).json()
    assert (found["title"], found["requested_by"], found["status"]) == ("Totals", "ann", "parsing")
    assert found["issue_number"] is None
    listed = (await (await ask("GET", "/projects")).json())["projects"]
    assert [one["id"] for one in listed] == [made["id"]]


async def test_the_same_key_asks_once(ask: Ask, pool: Pool):
    first, again = [await ask("POST", "/projects", json=WANTED, headers={"Idempotency-Key": "k-1"}) for _ in range(2)]
    assert first.status == again.status == 202
    assert first.headers["Location"] == again.headers["Location"]
    assert await pool.fetchval("SELECT count(*) FROM requests") == 1
    other = await ask("POST", "/projects", json={**WANTED, "text": "Else"}, headers={"Idempotency-Key": "k-1"})
    assert other.status == 422
    assert "Idempotency-Key" in (await other.json(content_type=None))["detail"]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"repository": "acme/shop"}, "text is missing"),
        ({"repository": "../etc", "text": "x"}, "OWNER/NAME"),
        ({"repository": "acme/shop", "text": " "}, "text can't be used"),
        ({"repository": "acme/shop", "text": "x", "label": "y"}, "label isn't a field"),
        ({"repository": "acme/shop", "text": "x" * 70_000}, "at most 60000"),
        ([], "isn't a JSON object"),
    ],
)
async def test_what_cant_be_used_is_named_in_a_sentence(ask: Ask, pool: Pool, body: Any, word: str):
    answer = await ask("POST", "/projects", json=body)
    assert answer.status == 422
    assert word in (await answer.json(content_type=None))["detail"]
    assert await pool.fetchval("SELECT count(*) FROM requests") == 0


async def test_only_allowed_repositories_are_asked_for(serving: "Serve"):
    async with serving(repositories="acme/*") as site:
        assert (await site.ask("POST", "/projects", json=WANTED)).status == 202
        answer = await site.ask("POST", "/projects", json={**WANTED, "repository": "other/shop"})
        assert answer.status == 422
        assert "AURORA_REPOSITORIES" in await answer.text()


async def test_pages_follow_each_other_without_gaps_or_repeats(ask: Ask, begin: "Begin"):
    story = await begin()
    for number in range(2, 8):
        at = story.at + timedelta(minutes=number // 2)  # some at the same moment
        await begin(f"Number {number}", at=at)
    path, seen = "/projects?limit=2&repository=Acme/Shop", []
    while path:
        answer = await ask("GET", path)
        body = await answer.json()
        seen += [one["id"] for one in body["projects"]]
        assert (body["next"] is None) == ("Link" not in answer.headers)
        await begin(f"Newer {len(seen)}", at=story.at + timedelta(days=1))  # pages that were begun don't shift
        path = body["next"] or ""
    assert len(seen) == len(set(seen)) == 7


async def test_projects_are_chosen_by_repository_and_status(ask: Ask, begin: "Begin"):
    one = await begin()
    await begin(repository="acme/other")
    await one.move(status="open")
    for query, titles in (("status=open", 1), ("status=open,parsing", 2), ("repository=acme/other", 1), ("", 2)):
        assert len((await (await ask("GET", f"/projects?{query}")).json())["projects"]) == titles, query


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "after=x", "status=odd", "repository=%27"])
async def test_odd_parameters_are_refused_in_a_sentence(ask: Ask, query: str):
    answer = await ask("GET", f"/projects?{query}")
    assert answer.status == 400
    assert (await answer.json(content_type=None))["detail"].endswith(".")


async def test_a_project_is_shown_with_all_that_hangs_on_it(ask: Ask, told: Callable[..., Awaitable["Story"]]):
    story = await told()
    found = await (await ask("GET", f"/projects/{story.id}")).json()
    assert [task["key"] for task in found["tasks"]] == ["t1", "t2", "t3", "t4"]
    assert found["task_statuses"] == ["completed", "running", "running", "pending"]
    second = [one for one in found["attempts"] if one["task_id"] == str(story.tasks[1].id)]
    assert [(one["round"], one["attempt"], one["calls"]) for one in second] == [(0, 1, 2), (0, 2, 1)]
    assert {one["step"] for one in found["attempts"] if one["task_id"] is None} == {"parse", "plan"}
    assert found["totals"] == {
        "checks": 5,
        "calls": 7,
        "messages": 4,
        "errors": 1,
        "effects": 3,
        "memories": 1,
        "uses": 1,
    }
    assert found["sums"]["critical_path_seconds"] == pytest.approx(17 + 20 + 40)  # Maestro, t1, t3
    assert found["reserved_usd"] == pytest.approx(0.04)
    check = next(one for one in found["checks"] if one["conclusion"] == "failed")
    log = await ask("GET", f"/projects/{story.id}/checks/{check['id']}/log")
    assert (log.status, len(await log.text())) == (200, check["log_length"])
    assert "E  assert 2 == 3" in check["log_tail"]
    assert (check["commit_sha"], check["round"], check["attempt"]) == (None, 0, 1)


async def test_what_isnt_there_is_not_found(ask: Ask, begin: "Begin"):
    story = await begin()
    for path in (f"/projects/{uuid4()}", "/projects/x", f"/projects/{story.id}/checks/{uuid4()}/log"):
        assert (await ask("GET", path)).status == 404


async def test_projects_are_for_those_who_have_the_token(site: "Site", begin: "Begin"):
    story = await begin()
    description = openapi.describe()
    for path in ("/projects", f"/projects/{story.id}", f"/projects/{story.id}/events", "/events"):
        for token in (None, "wrong"):
            answer = await site.ask("GET", path, token=token)
            assert answer.status == 401, path
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            await matches(description, "GET", path, answer)
    assert (await site.ask("POST", "/projects", token=None, json=WANTED)).status == 401


async def test_without_a_token_nobody_is_let_in(serving: "Serve"):
    async with serving(api_token=None) as site:
        for token in ("", "None", "token"):
            answer = await site.ask("GET", "/projects", token=token)
            assert answer.status == 401
            assert "AURORA_API_TOKEN" in await answer.text()


async def test_wrong_tokens_are_counted(site: "Site"):
    answers = [await site.ask("GET", "/projects", token=f"guess {number}") for number in range(12)]
    assert [answer.status for answer in answers] == [401] * 10 + [429] * 2
    assert int(answers[-1].headers["Retry-After"]) > 0


async def test_an_error_is_a_sentence_with_an_id_and_no_traceback(site: "Site"):
    await site.pool.execute("DROP TABLE requests CASCADE")
    answer = await site.ask("GET", "/projects", headers={"X-Request-ID": "request-1"})
    assert answer.status == 500
    assert answer.headers["X-Request-ID"] == "request-1"
    text = await answer.text()
    assert "Traceback" not in text
    assert "requests" not in text


async def test_a_program_that_calls_its_json_a_form_is_understood_as_a_program(ask: Ask):
    """Such as `curl -d '{…}'`, which is only shown the page when it comes without the token."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    made = await ask("POST", "/projects", data=b'{"repository": "acme/shop", "text": "Totals"}', headers=form)
    assert made.status == 202
    assert (await ask("POST", "/projects", data={"repository": "acme/shop", "text": "Totals"})).status == 202
    refused = await ask("POST", "/projects", data=b'{"repository": "acme/shop"}', headers=form)
    assert refused.status == 422


NOT_FOR_PROGRAMS = {
    "POST /webhooks/github": "GitHub's",
    "GET /healthz": "the operator's: docs/operations.md",
    "GET /readyz": "the operator's: docs/operations.md",
    "GET /metrics": "Prometheus's: docs/operations.md",
    "GET /": "a page",
    "GET /session": "a page",
    "POST /session": "a page's form",
    "POST /session/end": "a page's form",
    "GET /assets/{name}": "of pages",
}


def test_the_description_is_of_what_is_served(pool: Pool):
    """Every route but those for others than programs, and nothing that there isn't."""
    portal = open_portal(pool, Settings())
    app = create_app(inbox=object(), doorbell=object(), checks={}, webhook_secret="", portal=portal)  # type: ignore[arg-type]
    served = {f"{route.method} {route.resource.canonical}" for route in app.router.routes() if route.resource}
    described = {
        f"{method.upper()} {path}"
        for path, operations in openapi.describe()["paths"].items()
        for method in operations
    }  # fmt: skip
    heads = {one for one in served if one.startswith("HEAD ")}  # come with GET by themselves
    assert served - heads - described == set(NOT_FOR_PROGRAMS)
    assert described - served == set()


def test_what_stands_for_something_in_a_path_is_described():
    for path, operations in openapi.describe()["paths"].items():
        for operation in operations.values():
            told = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"]
            assert told == re.findall(r"\{(\w+)\}", path), path


async def test_log_files_are_listed_and_read_as_described(ask: Ask, begin: "Begin", pool: Pool, tmp_path: Path):
    story = await begin()
    listing = f"/projects/{story.id}/artifacts"
    assert await (await ask("GET", listing)).json() == {"artifacts": []}
    artifacts, settings = Artifacts(pool), Settings(api_token=TOKEN, data_dir=tmp_path)
    archive = Archive(tmp_path, artifacts, lambda: datetime.now(UTC), Periods())
    kept = await archive.keep(story.id, ArtifactKind.build_log, "abc:tests", "Tests", "60 passed\n")
    await story.write(kept)
    (listed,) = (await (await ask("GET", listing)).json())["artifacts"]
    assert (listed["id"], listed["kind"], listed["title"]) == (str(kept.id), "build_log", "Tests")
    async with expose(settings, archive) as url:
        await artifacts.here("worker", archive.store, url)
        answer = await ask("GET", f"{listing}/{kept.id}")
        assert (answer.status, await answer.text()) == (200, "60 passed\n")
    assert (await ask("GET", f"{listing}/{kept.id}")).status == 503
    for path in (f"{listing}/{uuid4()}", f"{listing}/x", f"/projects/{uuid4()}/artifacts/{kept.id}"):
        assert (await ask("GET", path)).status == 404
    for path in (listing, f"{listing}/{kept.id}"):
        assert (await ask("GET", path, token="wrong")).status == 401
    answer = None
    for _ in range(10):
        answer = await ask("GET", listing, token="wrong")
    assert answer is not None
    assert answer.status == 429
