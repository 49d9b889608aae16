"""People at a browser without scripts: who gets in, what may be sent, and that nothing hostile reaches the page."""

import asyncio
import html
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import aiohttp
import jwt
import pytest

from app.storage.pool import Pool
from app.web.session import Gate

if TYPE_CHECKING:
    from conftest import Begin, Serve, Site, Story

TOKEN = "the operator's long token"
PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HOSTILE = "\"><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">'{{7*7}}"


async def see(site: "Site", path: str, **headers: str) -> aiohttp.ClientResponse:
    return await site.ask("GET", path, token=None, headers={**PAGE, **headers})


async def send(site: "Site", path: str, fields: dict[str, str], **headers: str) -> aiohttp.ClientResponse:
    return await site.ask("POST", path, token=None, data=fields, headers={**PAGE, **headers}, allow_redirects=False)


async def sign_in(site: "Site", after: str = "/", token: str = TOKEN) -> aiohttp.ClientResponse:
    return await send(site, "/session", {"token": token, "next": after})


async def form_token(site: "Site") -> str:
    found = re.search(r'name="form_token" value="(\w+)"', await (await see(site, "/")).text())
    assert found is not None
    return found[1]


async def test_without_a_token_the_page_says_what_to_set(serving: "Serve"):
    async with serving(api_token=None) as site:
        for path in ("/", "/session"):
            answer = await see(site, path)
            assert answer.status == 403
            assert "Set AURORA_API_TOKEN to a long random text" in await answer.text()
        assert (await sign_in(site)).status == 403


async def test_somebody_signs_in_once_and_is_led_where_they_wanted(site: "Site", begin: "Begin"):
    story = await begin()
    asked = await see(site, f"/projects/{story.id}")
    assert (asked.url.path, asked.status) == ("/session", 200)
    assert f'value="/projects/{story.id}"' in await asked.text()
    answer = await sign_in(site, f"/projects/{story.id}")
    assert (answer.status, answer.headers["Location"]) == (303, f"/projects/{story.id}")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    page = await see(site, f"/projects/{story.id}")
    assert "Round totals to cents" in await page.text()
    assert (await site.ask("GET", "/projects", token=None)).status == 200  # the same cookie serves scripts


@pytest.mark.parametrize("elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example", "/\r\nX: y"])
async def test_signing_in_leads_nowhere_else(site: "Site", elsewhere: str):
    assert (await sign_in(site, elsewhere)).headers["Location"] == "/"


@pytest.mark.parametrize("origin", ["null", "https://evil.example", "file://"])
async def test_signing_in_from_a_page_without_an_address_or_of_another_site_is_refused(site: "Site", origin: str):
    assert (await send(site, "/session", {"token": TOKEN}, Origin=origin)).status == 403


@pytest.mark.parametrize("path", ["/session", "/session/end"])
async def test_strangers_can_not_fill_the_memory_with_forms(site: "Site", path: str):
    assert (await send(site, path, {"text": "x" * 1_000_000})).status == 413


async def test_what_strangers_ask_for_is_not_read(site: "Site"):
    host, _, port = site.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    form = "application/x-www-form-urlencoded"
    writer.write(
        f"POST /projects HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: {form}\r\n"
        "Content-Length: 20000000\r\n\r\n".encode()
    )
    answer = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    assert b" 303 " in answer


async def test_behind_tls_the_cookie_is_for_tls_only(site: "Site"):
    answer = await send(site, "/session", {"token": TOKEN}, **{"X-Forwarded-Proto": "https"})
    assert "Secure" in answer.headers["Set-Cookie"]


async def test_a_wrong_token_is_told_and_many_are_slowed(site: "Site"):
    for _ in range(10):
        answer = await sign_in(site, token="wrong")
        assert answer.status == 401
        assert "isn&#39;t the operator" in await answer.text()
    answer = await sign_in(site)
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) > 0


async def test_cookies_that_are_old_or_made_elsewhere_let_nobody_in(site: "Site"):
    key = Gate(TOKEN)._key
    claims = {"jti": "x", "exp": 1}
    forged = [jwt.encode(claims, key), jwt.encode({**claims, "exp": 4e9}, b"another key" * 4), "", "x.y.z"]
    forged.append(jwt.encode({**claims, "exp": 4e9}, "", algorithm="none"))
    forged.append(jwt.encode({"exp": 4e9}, key))
    name = f"aurora-session-{site.url.rpartition(':')[2]}"
    for cookie in forged:
        answer = await site.ask("GET", "/projects", token=None, headers={"Cookie": f"{name}={cookie}"})
        assert answer.status == 401
    good = jwt.encode({**claims, "exp": 4e9}, key)
    assert (await site.ask("GET", "/projects", token=None, headers={"Cookie": f"{name}={good}"})).status == 200


async def test_another_token_ends_every_session(site: "Site", serving: "Serve"):
    await sign_in(site)
    (cookie,) = site.session.cookie_jar
    async with serving(api_token="another one") as other:
        name = f"aurora-session-{other.url.rpartition(':')[2]}"
        answer = await other.ask("GET", "/projects", token=None, headers={"Cookie": f"{name}={cookie.value}"})
        assert answer.status == 401


async def test_signing_out_ends_it(site: "Site"):
    await sign_in(site)
    answer = await send(site, "/session/end", {"form_token": await form_token(site)})
    assert answer.status == 303
    assert (await see(site, "/")).url.path == "/session"


async def test_a_form_of_another_site_changes_nothing(site: "Site", pool: Pool):
    wanted = {"repository": "acme/shop", "text": "x"}
    await sign_in(site)
    token = await form_token(site)
    for fields, headers in (
        (wanted, {}),
        ({**wanted, "form_token": "0" * 64}, {}),
        ({**wanted, "form_token": token}, {"Origin": "https://evil.example"}),
    ):
        assert (await send(site, "/projects", fields, **headers)).status == 403
    answer = await site.ask("POST", "/projects", token=None, json=wanted)
    assert answer.status == 403
    assert await pool.fetchval("SELECT count(*) FROM requests") == 0


async def test_a_project_is_asked_for_in_the_form(site: "Site", pool: Pool):
    await sign_in(site)
    fields = {"repository": "acme/shop", "title": "", "text": "Print receipts", "form_token": await form_token(site)}
    answer = await send(site, "/projects", fields, Origin=site.url)
    assert answer.status == 303
    assert "Print receipts" in await (await see(site, answer.headers["Location"])).text()
    again = await send(site, "/projects", {**fields, "repository": "nowhere"})
    assert again.status == 422
    assert "it is OWNER/NAME" in await again.text()
    assert "Print receipts</textarea>" in await again.text()
    assert await pool.fetchval("SELECT count(*) FROM requests") == 1


async def test_pages_load_nothing_from_elsewhere_and_stay_out_of_frames(site: "Site"):
    await sign_in(site)
    answer = await see(site, "/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["Cache-Control"] == "no-store"
    text = await answer.text()
    assert " style=" not in text
    for asset in re.findall(r'"(/assets/[^"]+)"', text):
        assert (await see(site, asset)).headers["Cache-Control"].endswith("immutable")
    assert (await see(site, "/assets/..%2Fsession.py")).status == 404


async def test_nothing_hostile_is_markup(site: "Site", told: Callable[..., Awaitable["Story"]]):
    story = await told("Title " + HOSTILE, HOSTILE)
    await story.move(reason=f"[x](javascript:alert(1)) ![y](https://evil.example/z) {HOSTILE}", notes=(HOSTILE,))
    await sign_in(site)
    for path in ("/", f"/projects/{story.id}"):
        text = await (await see(site, path)).text()
        assert "<script>document" not in text
        assert "<img src=x" not in text
        assert 'href="javascript:' not in text
        assert set(re.findall(r'<img src="([^"?]*)', text)) == {"/assets/icon.svg"}
        assert html.escape("<script>document") in text


async def test_what_isnt_there_is_a_page_too(site: "Site"):
    await sign_in(site)
    for path in ("/projects/x", "/projects/00000000-0000-0000-0000-000000000000"):
        answer = await see(site, path)
        assert answer.status == 404
        assert "There is no such project" in await answer.text()
    assert (await see(site, "/projects")).url.path == "/"
    assert (await see(site, "/?after=odd")).status == 200


async def test_the_list_is_filtered_and_paged(site: "Site", begin: "Begin"):
    for number in range(33):
        await begin(f"Number {number:02}")
    merged = await begin("The merged one")
    await merged.move(status="merged")
    await sign_in(site)
    text = await (await see(site, "/?show=Merged")).text()
    assert "The merged one" in text
    assert "Number" not in text
    text = await (await see(site, "/")).text()
    older = re.search(r'href="(/\?[^"]*after=[^"]*)"', text)
    assert older is not None
    rest = await (await see(site, html.unescape(older[1]))).text()
    shown = re.findall(r"Number \d\d", text), re.findall(r"Number \d\d", rest)
    assert len(set(shown[0]) | set(shown[1])) == 33
    assert not set(shown[0]) & set(shown[1])


async def test_the_conversation_says_what_each_task_is_about(site: "Site", told: Callable[..., Awaitable["Story"]]):
    story = await told()
    await sign_in(site)
    page = await (await see(site, f"/projects/{story.id}")).text()
    _, _, conversation = page.partition('id="conversation"')
    assert story.tasks[0].title in conversation.partition("</section>")[0]


async def test_what_an_attempt_failed_on_stands_beside_what_a_commit_passed(
    site: "Site", told: Callable[..., Awaitable["Story"]]
):
    """It made no commit, so there is none to go to."""
    story = await told()
    await sign_in(site)
    page = await (await see(site, f"/projects/{story.id}")).text()
    shown = page.partition('id="checks"')[2].partition("</section>")[0]
    groups = re.findall(r'<summary><span class="dots">(.*?)</summary>', shown, re.DOTALL)
    of_commit, of_attempt = sorted(groups, key=lambda group: "#task-t2" in group)
    assert "attempt 1" in of_attempt
    assert "failed</span>" in of_attempt
    assert "/commit/" not in of_attempt
    assert f"/commit/{'a1' * 20}" in of_commit
    assert "1 of 60 tests failed" in shown
