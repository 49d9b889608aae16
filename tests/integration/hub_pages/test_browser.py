"""A real browser, at the width of a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Browser, Site

REPO = "/repos/acme/shop"
HOME = "/acme/shop"
WIDE = """| a | b | c |
|---|---|---|
| a_very_long_name_without_any_place_to_break_it_in_two | another_long_name_without_any_place | and_a_third_one_here |

```mermaid
graph LR
  a["First of all the things"] --> b["Second thing to do here"] --> c["Third thing to do"]
  a --> c
```

```
""" + "x" * 300 + "\n```\n\n" + "y" * 200  # fmt: skip


async def test_an_issue_is_opened_on_a_phone(site: Site, browser: Browser) -> None:
    """Sign in by the button, fill in the form, and read the issue; REST has it."""
    await browser.size(390)
    await browser.visit(site.url + f"/login?next={HOME}/issues/new")
    await browser.click("button[name=as]")
    await browser.run("document.querySelector('#title').value = 'From a phone'")
    await browser.run("document.querySelector('#body').value = 'With *text*'")
    await browser.run("document.querySelector('input[value=bug]').click()")
    await browser.click("main form button.first")
    assert await browser.run("location.pathname") == f"{HOME}/issues/1"
    issue = await site.rest("GET", f"{REPO}/issues/1")
    assert (issue["title"], issue["body"]) == ("From a phone", "With *text*")
    assert [one["name"] for one in issue["labels"]] == ["bug"]
    assert (await site.names())[-2:] == ["issues.opened", "issues.labeled"]


async def test_nothing_is_wider_than_a_phone(site: Site, browser: Browser) -> None:
    """No page scrolls sideways; wide tables, graphs, code and diffs scroll in boxes of their own."""
    await site.rest("POST", f"{REPO}/issues", {"title": "W" * 200, "body": WIDE, "labels": ["bug", "L" * 50]})
    await site.rest("POST", f"{REPO}/issues/1/comments", {"body": WIDE})
    bot, pull = await site.bot(), await site.pull(title="P" * 120, body=WIDE)
    sha = await site.commit("topic", f"{'long' * 30}.py", f"line = '{'z' * 300}'\n", bot)
    annotation = {"path": "a" * 90, "start_line": 1, "end_line": 1, "annotation_level": "failure", "message": "m" * 300}
    output = {"title": "t" * 90, "summary": WIDE, "annotations": [annotation]}
    done = {"status": "completed", "conclusion": "failure", "output": output}
    run = await site.rest("POST", f"{REPO}/check-runs", {"name": "n" * 90, "head_sha": sha, **done}, bot)
    await site.names()
    await browser.size(390)
    await browser.visit(site.url + "/login")
    await browser.click("button[name=as]")
    await browser.visit(site.url + "/deliveries")
    delivery = await browser.run("document.querySelector('.rows a.strong').getAttribute('href')")
    here = f"{HOME}/pull/{pull['number']}"
    for path in (
        "/", HOME, f"{HOME}/issues", f"{HOME}/issues/1", f"{HOME}/issues/new", f"{HOME}/pulls", here, f"{here}/files",
        f"{here}/files?path=new.py&side=RIGHT&line=1", f"{here}/commits", f"{here}/checks", f"{HOME}/commit/{sha}",
        f"{HOME}/commits/topic", f"{HOME}/blob/topic/{'long' * 30}.py", f"{HOME}/runs/{run['id']}", "/deliveries",
        delivery, "/login", "/apps/helper", "/nowhere",
    ):  # fmt: skip
        await browser.visit(site.url + path)
        width, window = await browser.run("[document.documentElement.scrollWidth, innerWidth]")
        assert width <= window == 390, path
    assert await browser.run("document.querySelector('main') !== null")


async def test_every_field_has_a_name_and_every_page_one_heading(site: Site, browser: Browser) -> None:
    """Who can't see the page hears what each field and button is for."""
    pull = await site.pull()
    await site.rest("POST", f"{REPO}/issues", {"title": "One", "labels": ["bug"]})
    await browser.visit(site.url + "/login")
    assert await browser.run(NAMELESS) == []
    await browser.click("button[name=as]")
    for path in (f"{HOME}/issues/new", f"{HOME}/issues/2", f"{HOME}/pull/{pull['number']}", "/deliveries", HOME):
        await browser.visit(site.url + path)
        assert await browser.run(NAMELESS) == [], path
        headings = await browser.run("document.querySelectorAll('h1').length")
        assert headings == 1 or path == HOME, path


NAMELESS = """[...document.querySelectorAll('input:not([type=hidden]), textarea, select, button, a')].filter(
  (one) => !(one.labels?.length || one.textContent.trim() || one.getAttribute('aria-label'))
).map((one) => one.outerHTML)"""


async def test_a_page_keeps_itself_up_to_date(site: Site, browser: Browser) -> None:
    """What happens elsewhere appears without reloading, and what somebody is writing stays."""
    await site.rest("POST", f"{REPO}/issues", {"title": "One"})
    await browser.visit(site.url + "/login")
    await browser.click("button[name=as]")
    await browser.visit(site.url + f"{HOME}/issues/1")
    await site.rest("POST", f"{REPO}/issues/1/comments", {"body": "Something new"})
    await browser.until("document.querySelector('main').innerText.includes('Something new')")
    await browser.run("document.querySelector('#body').value = 'Half a thought'")
    await site.rest("POST", f"{REPO}/issues/1/comments", {"body": "Even newer"})
    await browser.run("new Promise((done) => setTimeout(done, 3500))")
    assert await browser.run("document.querySelector('#body').value") == "Half a thought"
