"""What an operator sees of a real run: metrics in a real Prometheus, logs, and log files by link."""

import asyncio
import contextlib
import json
import re
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import yaml
from aiohttp import web

from tests.e2e.team import writes
from workers.local.process import bound

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[3]
DASHBOARD = ROOT / "docker/grafana/dashboards/aurora.json"
ALERTS = ROOT / "docker/prometheus/alerts.yml"
BOUND = re.compile(r"^(?P<quantity>.+) (?:>|<|==) [\d.]+$")


def panels() -> Iterator[tuple[str, str]]:
    """Yield title and expression of every query of the dashboard."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def alerts() -> Iterator[tuple[str, str]]:
    """Yield name and quantity of every alert, without the bound that it is compared with."""
    for rule in yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]:
        found = BOUND.match(rule["expr"])
        assert found, rule["expr"]
        yield rule["alert"], found["quantity"]


async def get(url: str, **headers: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers, allow_redirects=False) as answer:
        return answer.status, await answer.text()


async def json_of(url: str, **query: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(url, params=query) as answer:
        return await answer.json()


@asynccontextmanager
async def prometheus(home: Path, targets: dict[str, list[str]]) -> AsyncIterator[str]:
    """Run a real Prometheus with the alerts that are shipped."""
    settings = {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "1s"},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": addresses}]} for job, addresses in targets.items()
        ],
    }
    (home / "prometheus.yml").write_text(yaml.safe_dump(settings))
    port = await _free_port()
    address = f"127.0.0.1:{port}"
    program = (
        "prometheus", f"--config.file={home / 'prometheus.yml'}", f"--storage.tsdb.path={home / 'data'}",
        f"--web.listen-address={address}", "--storage.tsdb.retention.time=15d",
    )  # fmt: skip
    with (home / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*bound(program, signal.SIGKILL), stdout=log, stderr=log)
    try:
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    if (await get(f"http://{address}/-/ready"))[0] == 200:
                        break
                await asyncio.sleep(0.1)
        yield f"http://{address}"
    finally:
        process.kill()
        await process.wait()


async def _free_port() -> int:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


async def scraped(yard) -> dict[str, list[str]]:
    """Return where server and workers say that their metrics are."""
    hosts = await yard.rows("SELECT url FROM artifact_hosts WHERE seen_at > now() - interval '1 minute'")
    return {
        "server": [urlsplit(yard.stack.web_url).netloc],
        "worker": [urlsplit(row["url"]).netloc for row in hosts],
    }


async def run(yard, *names: str) -> int:
    """Have files written that the tests then accept, by a model that isn't there when it is first asked."""
    away = iter([web.Response(status=503)])

    def generate(asked):
        if response := next(away, None):
            return response
        name = next(name for name in names if f"The work of {name}." in asked.text)
        return writes({name: f"{name}\n"}, f"Wrote {name}.")

    yard.model.answers["generate"] = generate
    number = await yard.ask(*names)
    await yard.merged(number)
    return number


@pytest.mark.skipif(not shutil.which("prometheus"), reason="Prometheus isn't installed: apt-get install prometheus")
async def test_every_panel_and_alert_has_data_of_a_real_run(yard, tmp_path):
    await yard.rows("TRUNCATE artifact_hosts")
    await yard.work(recover=1.0, retain=1.0)
    async with asyncio.timeout(10):
        while not (targets := await scraped(yard))["worker"]:
            await asyncio.sleep(0.1)
    async with prometheus(tmp_path, targets) as url:
        await run(yard, "first-a", "first-b")
        await asyncio.sleep(1.5)  # a label's first value is known before it grows
        await run(yard, "second-a", "second-b")
        await asyncio.sleep(17)  # until the server has told of the installation once more
        empty, wrong = {}, {}
        for name, expression in [*panels(), *alerts()]:
            query = expression.replace("$__rate_interval", "5m").replace("$__range", "5m")
            answer = await json_of(f"{url}/api/v1/query", query=query)
            assert answer["status"] == "success", (name, answer)
            values = [float(sample["value"][1]) for sample in answer["data"]["result"]]
            if not values:
                empty[name] = query
            elif all(value != value for value in values):
                wrong[name] = query
        assert (empty, wrong) == ({}, {})
        rules = (await json_of(f"{url}/api/v1/rules"))["data"]["groups"][0]["rules"]
        assert {rule["health"] for rule in rules} == {"ok"}
        assert len(rules) == len([*alerts()])
        firing = {rule["name"] for rule in rules if rule["state"] != "inactive"}
        assert firing <= {"GitHubLimitNear"}, firing


async def test_logs_are_events_with_ids_and_without_secrets(yard, tmp_path):
    worker = await yard.work()
    before = len(yard.stack.log("serve").read_text().splitlines())
    await run(yard, "told")
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0
    served = yard.stack.log("serve").read_text().splitlines()[before:]
    lines = [*served, *worker.log.read_text().splitlines()]
    assert lines
    events = [json.loads(line) for line in lines]  # each is one event
    assert all({"time", "level", "logger", "event"} <= event.keys() for event in events)
    assert not [event for event in events if event["level"] in {"error", "critical"}], events
    assert {event["logger"].split(".")[0] for event in events} <= {"app", "workers"}
    (project,) = await yard.rows("SELECT id::text FROM projects")
    (task,) = await yard.rows("SELECT id::text FROM tasks")
    assert all(
        "project" in event for event in events if event["event"] in {"project moved", "task begun", "checkpoint"}
    )
    of_project = [event for event in events if event.get("project") == project["id"]]
    assert [event for event in of_project if event.get("task") == task["id"]], [event["event"] for event in events]
    assert [event for event in events if event.get("delivery")], [event["event"] for event in events]
    text = "\n".join(lines)
    for name, secret in secrets_of(yard.stack.environment).items():
        assert secret not in text, name


def secrets_of(environment) -> dict[str, str]:
    """Return what may stand in no log: tokens, keys, passwords."""
    key = Path(environment["AURORA_GITHUB_PRIVATE_KEY_FILE"]).read_text().splitlines()[1]
    found = {
        "api token": environment["AURORA_API_TOKEN"],
        "webhook secret": environment["AURORA_GITHUB_WEBHOOK_SECRET"],
        "private key": key,
        "database password": urlsplit(environment["AURORA_DATABASE_URL"]).password or "",
        "redis password": urlsplit(environment["AURORA_REDIS_URL"]).password or "",
        "installation token": "ghs_",
    }
    return {name: value for name, value in found.items() if value}


async def test_log_files_are_read_by_link_from_the_worker_that_has_them(yard):
    await yard.work()
    number = await run(yard, "linked")
    pull = await yard.team.pull_request("acme/plain", number)
    checks = await yard.team.checks("acme/plain", pull["head"]["sha"])
    token = {"Authorization": f"Bearer {yard.stack.environment['AURORA_API_TOKEN']}"}
    shown = checks["aurora / tests"]
    link = re.search(r"\[Build log\]\((?P<url>[^)]+)\)", shown["output"]["summary"])
    assert link, shown["output"]["summary"]
    assert shown["details_url"] == link["url"]
    status, text = await get(link["url"], **token)
    assert status == 200
    assert "aurora / tests: passed" in text
    assert "sh check.sh" in text
    assert (await get(link["url"]))[0] == 401
    assert (await get(link["url"], Accept="text/html"))[0] == 303  # to the sign-in, and then to the log

    (project,) = await yard.rows("SELECT id FROM projects")
    status, listed = await get(f"{yard.stack.web_url}/projects/{project['id']}/artifacts", **token)
    kinds = [one["kind"] for one in json.loads(listed)["artifacts"]]
    assert status == 200
    assert set(kinds) == {"build_log", "agent_log"}
    log = next(one for one in json.loads(listed)["artifacts"] if one["kind"] == "agent_log")
    status, text = await get(f"{yard.stack.web_url}/projects/{project['id']}/artifacts/{log['id']}", **token)
    assert status == 200
    assert "write_file" in text
    assert "Wrote linked." in text

    status, page = await get(f"{yard.stack.web_url}/projects/{project['id']}", Accept="text/html", **token)
    assert status == 200
    assert f'href="/projects/{project["id"]}/artifacts/{log["id"]}"' in page

    (host,) = {row["url"] for row in await yard.rows("SELECT url FROM artifact_hosts ORDER BY seen_at DESC LIMIT 1")}
    assert (await get(f"{host}/artifacts/{log['id']}"))[0] == 401
    assert (await get(f"{host}/artifacts/{log['id']}", **token))[0] == 401  # the operator's token isn't a worker's
    assert (await get(f"{host}/healthz"))[0] == 200
    yard.end()
    status, text = await get(link["url"], **token)
    assert status == 503
    assert "can't be reached" in text
