"""The dashboard in a real browser: at a desk and on a phone, live, quiet, and deaf to hostile text."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from app.domain.messages import MessageType
from app.domain.project import ProjectStatus
from app.domain.roles import AgentRole
from app.domain.task import TaskStatus

if TYPE_CHECKING:
    from conftest import Begin, Browser, Site, Story

HOSTILE = "\"><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
LIVE = "document.querySelector('[data-live]')?.dataset.live === 'on'"
Told = Callable[..., Awaitable["Story"]]


async def shows(browser: "Browser", words: str) -> None:
    await browser.until(f"document.querySelector('main').innerText.includes({words!r})")


async def test_somebody_signs_in_and_opens_a_project(site: "Site", browser: "Browser", told: Told):
    story = await told()
    await browser.sign_in(site)
    await shows(browser, "Invoices show totals")
    await browser.click(".row a")
    assert await browser.run("location.pathname") == f"/projects/{story.id}"
    states = "[...document.querySelectorAll('svg.across a')].map((one) => one.classList[1]).join()"
    assert await browser.run(states) == "completed,running,running,pending"
    critical = "[...document.querySelectorAll('.lane.critical .key')].map((one) => one.innerText).join()"
    assert await browser.run(critical) == "t1,t3"
    await browser.click("header form button")
    assert await browser.run("location.pathname") == "/session"
    assert [one for one in browser.complaints if not one.startswith("verbose")] == []
    assert {one.split("/")[2] for one in browser.requests} == {site.url.split("/")[2]}


async def test_changes_appear_by_themselves_and_what_was_opened_stays_open(
    site: "Site", browser: "Browser", told: Told
):
    story = await told()
    await browser.sign_in(site, f"/projects/{story.id}")
    await browser.until(LIVE)
    await browser.run("window.same = true; document.querySelector('#task-t1').open = true")
    three = story.tasks[2].model_copy(update={"status": TaskStatus.failed, "title": "Now it is called so"})
    note = story.message(MessageType.ERROR, AgentRole.frontend, AgentRole.maestro, three, 120)
    await story.move(three, note, status=ProjectStatus.waiting, reason="Which **currency** is meant?")
    await browser.until("document.querySelector('svg.across .failed') !== null")
    for words in ("Now it is called so", "Which currency is meant?", "ERROR"):
        await shows(browser, words)
    assert await browser.run("window.same && document.querySelector('#task-t1').open")


async def test_a_new_project_appears_on_the_list_by_itself(site: "Site", browser: "Browser", begin: "Begin"):
    await browser.sign_in(site)
    await browser.until(LIVE)
    await browser.run("document.querySelector('#text').value = 'half a thought'")
    story = await begin("Appears at once")
    await shows(browser, "Appears at once")
    await story.move(status=ProjectStatus.open)
    await shows(browser, "waits for review")
    assert await browser.run("document.querySelector('#text').value") == "half a thought"


@pytest.mark.parametrize("width", [390, 1280])
async def test_nothing_is_wider_than_the_window(site: "Site", browser: "Browser", told: Told, width: int):
    story = await told("W" * 200, "v" * 150)
    for number in range(5, 12):
        await story.write(story.task(f"t{number}", "wide " * 20, after=["t1"] if number % 2 else []))
    await browser.size(width)
    await browser.sign_in(site)
    for path in ("/", f"/projects/{story.id}"):
        await browser.visit(site.url + path)
        await browser.run("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        wide, window = await browser.run("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= window, path


async def test_hostile_text_is_only_shown(site: "Site", browser: "Browser", told: Told):
    story = await told("Title " + HOSTILE, HOSTILE)
    await browser.sign_in(site)
    for path in ("/", f"/projects/{story.id}"):
        await browser.visit(site.url + path)
        await browser.until(LIVE)
        await shows(browser, "onerror")
        assert "owned'<" in await browser.run("document.body.innerText")
        assert await browser.run("document.title") != "owned"
    await story.move(reason=HOSTILE)  # what comes live is put in by script
    await browser.until("document.querySelector('.callout') !== null")
    await browser.run("new Promise((done) => setTimeout(done, 300))")
    assert await browser.run("document.title") != "owned"
    assert [one for one in browser.complaints if not one.startswith("verbose")] == []


async def test_whoever_was_signed_out_is_led_to_the_sign_in(site: "Site", browser: "Browser", begin: "Begin"):
    story = await begin()
    await browser.sign_in(site)
    await browser.until(LIVE)
    await browser.tell("Network.clearBrowserCookies")
    await browser.run("window.left = true")
    await story.move(rounds=1)
    await browser.until("location.pathname === '/session'")


async def test_every_field_has_a_name_and_every_page_one_heading(site: "Site", browser: "Browser", told: Told):
    """Who can't see the page hears what each field, button and picture is for."""
    story = await told()
    nameless = """[...document.querySelectorAll('input:not([type=hidden],[hidden]), textarea, button, a, [role=img]')]
        .filter((one) => !(one.labels?.length || one.textContent.trim() || one.getAttribute('aria-label')))
        .map((one) => one.outerHTML)"""
    await browser.visit(site.url + "/")
    assert await browser.run(nameless) == []
    await browser.sign_in(site)
    for path in ("/", f"/projects/{story.id}"):
        await browser.visit(site.url + path)
        assert await browser.run(nameless) == [], path
        assert await browser.run("document.querySelectorAll('h1').length") == 1
