"""A server over real PostgreSQL with projects in it, and a real browser where there is one."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest

from app.domain.checks import Checkpoint, CheckResult, Conclusion, Finding
from app.domain.memory import Kind, Memory, Source
from app.domain.messages import AgentMessage, MessageType
from app.domain.ports import Checked, Fact
from app.domain.project import Phase, Project, ProjectStatus, PullRequestRef, Repository
from app.domain.recovery import AgentError, ErrorType
from app.domain.requirements import Requirement
from app.domain.roles import AgentRole
from app.domain.task import Task, TaskResult, TaskStatus
from app.settings import Settings
from app.storage import projects
from app.storage.effects import LeasedEffects
from app.storage.leases import Leases
from app.storage.pool import Pool, connect
from app.storage.records import LeasedRecords
from app.web.portal import open_portal
from app.web.server import create_app, serve

TOKEN = "the operator's long token"
TABLE = "\n\n| what | how many |\n|:--|--:|\n| tests | 60 |"
START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool on a migrated database."""
    opened = await connect(database_url, size=12)
    yield opened
    await asyncio.wait_for(opened.close(), 10)


class Nothing:
    """Webhooks are of no interest here."""

    async def store(self, *_: object) -> bool:
        return True

    async def delivery(self, _: str) -> None:
        return


@dataclass
class Site:
    """A server, and a program that has the token."""

    url: str
    session: aiohttp.ClientSession
    pool: Pool

    async def ask(self, method: str, path: str, *, token: str | None = TOKEN, **more: Any) -> aiohttp.ClientResponse:
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **more.pop("headers", {})}
        answer = await self.session.request(
            method, self.url + path, headers=headers, timeout=aiohttp.ClientTimeout(20), **more
        )
        if answer.content_type != "text/event-stream":
            await answer.read()
        return answer

    async def get(self, path: str, **more: Any) -> Any:
        """Return the JSON at a path."""
        answer = await self.ask("GET", path, **more)
        assert answer.status == 200, await answer.text()
        return await answer.json()


Serve = Callable[..., Any]


@pytest.fixture
def serving(pool: Pool) -> Serve:
    """Serve the pool's projects: `async with serving(api_token=…) as site`."""

    @asynccontextmanager
    async def one(**settings: Any) -> AsyncIterator[Site]:
        known = {"api_token": TOKEN, "github_web_url": "https://github.example", **settings}
        app = create_app(
            inbox=Nothing(),
            doorbell=Nothing(),
            checks={},
            webhook_secret="secret",
            portal=open_portal(pool, Settings(**known)),
        )
        stop, url = asyncio.Event(), asyncio.get_running_loop().create_future()
        server = asyncio.create_task(serve(app, "127.0.0.1", 0, stop, url.set_result))
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            try:
                yield Site(await asyncio.wait_for(url, 10), session, pool)
            finally:
                stop.set()
                await asyncio.wait_for(server, 20)

    return one


@pytest.fixture
async def site(serving: Serve) -> AsyncIterator[Site]:
    """A server whose token is TOKEN."""
    async with serving() as one:
        yield one


@dataclass
class Story:
    """One project, written as workers write it."""

    pool: Pool
    id: UUID
    at: datetime
    tasks: list[Task] = field(default_factory=list)

    async def project(self) -> Project:
        async with self.pool.acquire() as connection:
            row = await connection.fetchrow("SELECT repository, issue_number FROM projects WHERE id = $1", self.id)
            assert row is not None
            found = await projects.latest_of_issue(connection, row["repository"], row["issue_number"])
            assert found is not None
            return found

    async def write(self, *facts: Fact) -> None:
        async def ring(_: AgentMessage) -> None:
            return

        async with Leases(self.pool, "one").hold(self.id) as lease:
            assert lease is not None
            await LeasedRecords(self.pool, lease, self.id, ring).write(*facts)

    async def move(self, *facts: Fact, **changes: Any) -> None:
        """Change the project, with more facts, in one transaction."""
        if "status" in changes:
            changes["status"] = ProjectStatus(changes["status"])
        await self.write((await self.project()).model_copy(update=changes), *facts)

    async def effect(self, key: str, outcome: dict[str, Any]) -> None:
        async def act() -> dict[str, Any]:
            return outcome

        async def find() -> None:
            return None

        async with Leases(self.pool, "one").hold(self.id) as lease:
            assert lease is not None
            await LeasedEffects(self.pool, lease, self.id).once(key, act, find)

    def task(
        self, key: str, title: str, role: AgentRole = AgentRole.backend, after: Sequence[str] = (), **more: Any
    ) -> Task:
        """Make a task that follows those with the keys `after`; it is kept in `tasks`."""
        known = {task.key: task.id for task in self.tasks}
        made = Task(
            id=uuid4(), project_id=self.id, key=key, title=title, description=f"Do what {key} says.",
            assigned_agent=role, dependencies=tuple(known[one] for one in after), footprint=(f"shop/{key}.py",),
            requirements=("REQ-001",), branch=f"aurora/7.1-{key}", created_at=self.at + timedelta(seconds=20), **more,
        )  # fmt: skip
        self.tasks.append(made)
        return made

    def message(
        self, kind: MessageType, sender: AgentRole, recipient: AgentRole, task: Task | None, seconds: float
    ) -> AgentMessage:
        return AgentMessage(
            id=uuid4(), sender=sender, recipient=recipient, message_type=kind,
            payload={"project": str(self.id), **({"task": str(task.id)} if task else {})},
            timestamp=self.at + timedelta(seconds=seconds), correlation_id=self.id,
        )  # fmt: skip

    async def call(
        self, step: str, task: Task | None = None, *, scope: str = "", attempt: int = 1, begin: float, seconds: float,
        usd: float = 0.01, status: str = "settled",
    ) -> None:  # fmt: skip
        """Write a model call that began `begin` seconds after the project."""
        began = self.at + timedelta(seconds=begin)
        settled = None if status == "reserved" else began + timedelta(seconds=seconds)
        await self.pool.execute(
            "INSERT INTO token_usage (id, project_id, task_id, role, step, attempt, scope, position, model, status,"
            " reserved_usd, usd, input_tokens, output_tokens, seconds, epoch, created_at, settled_at)"
            " VALUES ($1,$2,$3,$4,$5,$6,$7,0,'anthropic:claude',$8,0.05,$9,$10,$11,$12,1,$13,$14)",
            uuid4(), self.id, task.id if task else None, task.assigned_agent if task else "maestro", step, attempt,
            scope or step, status, usd, int(seconds * 400), int(seconds * 30), seconds, began, settled,
        )  # fmt: skip
        column = "reserved_usd" if status == "reserved" else "spent_usd"
        await self.pool.execute(
            f"UPDATE projects SET {column} = {column} + $2::float8::numeric WHERE id = $1", self.id, usd
        )

    def checked(
        self, task: Task | None, commit: str | None, checkpoint: Checkpoint, conclusion: Conclusion, title: str,
        seconds: float, *, log: str = "", findings: tuple[Finding, ...] = (), attempt: int = 1,
    ) -> Checked:  # fmt: skip
        began = self.at + timedelta(seconds=seconds)
        result = CheckResult(
            checkpoint=checkpoint, conclusion=conclusion, title=title, summary=f"Ran `{checkpoint}`.{TABLE}",
            findings=findings, log=log, started_at=began, completed_at=began + timedelta(seconds=2),
        )  # fmt: skip
        round_ = 0 if commit is None else None
        return Checked(commit, result, task.id if task else None, attempt, round=round_)


Begin = Callable[..., Awaitable[Story]]


@pytest.fixture
def begin(pool: Pool) -> Begin:
    """Begin a project: `await begin("Title", issue=3, repository="acme/shop")`."""
    issues = count(1)

    async def start(
        title: str = "Round totals to cents",
        *,
        issue: int | None = None,
        repository: str = "acme/shop",
        at: datetime = START,
    ) -> Story:
        where = Repository(full_name=repository, installation_id=5)
        async with pool.acquire() as connection:
            identity = await projects.start(
                connection,
                uuid4(),
                where,
                issue or next(issues),
                title=title,
                requested_by="ann",
                budget_usd=5.0,
                at=at,
            )
        assert identity is not None
        return Story(pool, identity, at)

    return start


@pytest.fixture
def told(begin: Begin) -> Callable[..., Awaitable[Story]]:
    """Tell a whole project: four tasks, one of them at its second attempt, one still to come."""

    async def tell(title: str = "Invoices show totals rounded to cents", hostile: str = "") -> Story:
        story = await begin(title, at=datetime.now(UTC) - timedelta(seconds=130))
        return await _build(story, hostile)

    return tell


async def _build(story: Story, hostile: str) -> Story:
    at = story.at
    one = story.task("t1", "Round each line of an invoice" + hostile, started_at=at + timedelta(seconds=24),
                     completed_at=at + timedelta(seconds=58), status=TaskStatus.completed, attempts=1,
                     result=TaskResult(commit="a1" * 20, summary="Rounded half to even." + hostile))  # fmt: skip
    two = story.task("t2", "Migrate stored totals", AgentRole.database, started_at=at + timedelta(seconds=24),
                     status=TaskStatus.running, attempts=1, round=0,
                     result=TaskResult(lessons=("Decimal columns come back as text here." + hostile,)))  # fmt: skip
    three = story.task("t3", "Show rounded totals on the invoice page", AgentRole.frontend, ["t1"],
                       started_at=at + timedelta(seconds=60), status=TaskStatus.running)  # fmt: skip
    four = story.task("t4", "Test whole invoices end to end", AgentRole.test_engineer, ["t2", "t3"])
    requirement = Requirement(id="REQ-001", title="Totals are rounded" + hostile, criteria=("12.345 becomes 12.34",))
    maestro, agents = AgentRole.maestro, [one, two, three]
    messages = [story.message(MessageType.TASK, maestro, task.assigned_agent, task, 22) for task in agents]
    await story.move(one, two, three, four, *messages, status=ProjectStatus.building, phase=Phase.dispatch,
                     requirements=(requirement,), base_branch="main", base_sha="b" * 40)  # fmt: skip
    await story.call("parse", begin=0.5, seconds=6)
    await story.call("plan", begin=7, seconds=11, usd=0.03)
    await story.call("generate", one, scope="r0.a1.v1", begin=25, seconds=20, usd=0.06)
    await story.call("generate", two, scope="r0.a1.v1", begin=26, seconds=30, usd=0.08)
    await story.call("reflect", two, scope="r0.a1.reflect", begin=66, seconds=4)
    await story.call("generate", two, scope="r0.a2.v1", attempt=2, begin=72, seconds=25, usd=0.05)
    await story.call("generate", three, scope="r0.a1.v1", begin=61, seconds=40, usd=0.04, status="reserved")
    log = "".join(f"tests/test_totals.py::test_{number} PASSED\n" for number in range(60))
    finding = Finding(path="shop/lines.py", line=12, code="test_half", message="assert 2 == 3" + hostile)
    source = Source("shop/store.py", "b" * 40, story.id, "t2")
    learned = Memory(Kind.reflexion, "Decimal columns come back as text here." + hostile, source, at)
    passed, failed = Conclusion.passed, Conclusion.failed
    await story.write(
        story.message(MessageType.RESULT, AgentRole.backend, maestro, one, 58),
        story.checked(one, "a1" * 20, Checkpoint.syntax, passed, "1 file parses", 48),
        story.checked(one, "a1" * 20, Checkpoint.types, passed, "No new type errors", 50),
        story.checked(one, "a1" * 20, Checkpoint.lint, passed, "Nothing to remark", 52),
        story.checked(one, "a1" * 20, Checkpoint.tests, passed, "60 tests passed", 54, log=log),
        story.checked(two, None, Checkpoint.tests, failed, "1 of 60 tests failed" + hostile, 62,
                      log=log + "E  assert 2 == 3\n" + hostile, findings=(finding,)),
        AgentError(two.id, AgentRole.database, ErrorType.tests, "One test failed." + hostile, None,
                   at + timedelta(seconds=64), 0, 5),
        learned,
    )  # fmt: skip
    await story.pool.execute(
        "INSERT INTO memory_uses SELECT id, $1, $2, 0, 'database', true, now() FROM working_memory", story.id, two.id
    )
    await story.effect("comment.progress.", {"id": 4711})
    await story.effect(f"push.aurora/7.1-t1..{'a1' * 20}", {"commit": "a1" * 20})
    await story.effect(f"check.{'a1' * 20}.aurora / tests.tests.bbbb", {"id": 99})
    return story


def merged_with(number: int, head: str) -> dict[str, Any]:
    """Return how a project looks that was merged."""
    url = f"https://github.example/acme/shop/pull/{number}"
    return {
        "status": ProjectStatus.merged, "phase": Phase.done, "head_sha": head,
        "pull_request": PullRequestRef(number=number, url=url, head_sha=head, merged=True),
    }  # fmt: skip


# --- a real browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


@dataclass
class Browser:
    """One tab of a real browser, driven over its DevTools protocol; what it complains of is kept."""

    socket: aiohttp.ClientWebSocketResponse
    numbers: Any = field(default_factory=lambda: count(1))
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    async def tell(self, method: str, **parameters: Any) -> Any:
        """Send a command and wait for its answer; what happens on the way is noted."""
        number = next(self.numbers)
        await self.socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(30):
            while True:
                answer = await self.socket.receive_json()
                if answer.get("id") == number:
                    assert "error" not in answer, answer["error"]
                    return answer["result"]
                self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        match event.get("method"), event.get("params", {}):
            case "Log.entryAdded", {"entry": entry}:
                self.complaints.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")
            case "Runtime.exceptionThrown", details:
                self.complaints.append(json.dumps(details))
            case "Runtime.consoleAPICalled", {"type": "error" | "warning" as kind, "args": args}:
                self.complaints.append(f"{kind}: {args}")
            case "Network.requestWillBeSent", {"request": request}:
                self.requests.append(request["url"])

    async def run(self, script: str) -> Any:
        """Evaluate JavaScript in the page."""
        result = await self.tell("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def until(self, condition: str) -> None:
        """Wait for something to become true in the page."""
        async with asyncio.timeout(20):
            while not await self._is(condition):
                await asyncio.sleep(0.05)

    async def _is(self, condition: str) -> bool:
        result = await self.tell("Runtime.evaluate", expression=condition, returnByValue=True)
        return result["result"].get("value") is True

    async def visit(self, address: str) -> None:
        """Go to a page and wait until it is there."""
        await self.run("window.left = true")
        await self.tell("Page.navigate", url=address)
        await self.arrived()

    async def arrived(self) -> None:
        await self.until("window.left === undefined && document.readyState === 'complete'")

    async def click(self, selector: str) -> None:
        """Press something that leads to another page."""
        await self.run(f"window.left = true; document.querySelector({json.dumps(selector)}).click()")
        await self.arrived()

    async def size(self, width: int, height: int = 844) -> None:
        mobile = width < 600
        await self.tell(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile
        )

    async def sign_in(self, site: Site, path: str = "/") -> None:
        await self.visit(site.url + path)
        await self.run(f"document.querySelector('input[name=token]').value = {json.dumps(TOKEN)}")
        await self.click("main form button")


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-port=0",
        f"--user-data-dir={tmp_path / 'browser'}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_end, process)
        port = await _port(process)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        async with session.get(f"http://127.0.0.1:{port}/json") as answer:
            page = next(one for one in await answer.json() if one["type"] == "page")
        address = page["webSocketDebuggerUrl"]
        tab = Browser(await stack.enter_async_context(session.ws_connect(address, max_msg_size=64 * 1024 * 1024)))
        for domain in ("Log", "Runtime", "Network"):
            await tab.tell(f"{domain}.enable")
        yield tab


async def _port(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async with asyncio.timeout(60):
        async for line in process.stderr:
            found = re.search(rb"DevTools listening on ws://127\.0\.0\.1:(\d+)/", line)
            if found:
                return found[1].decode()
    raise AssertionError("Chromium ended before it could be driven")


async def _end(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    async with asyncio.timeout(20):
        await process.communicate()
