"""Following along: every address that REST gives leads to a page, and pages never stand in REST's or git's way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Site

REPO = "/repos/acme/shop"
HOME = "/acme/shop"


def addresses(data: Any) -> set[str]:
    """Collect the addresses of pages in an answer."""
    if isinstance(data, list):
        return set().union(*map(addresses, data)) if data else set()
    if not isinstance(data, dict):
        return set()
    here = {
        data[name]
        for name in ("html_url", "diff_url", "patch_url", "blob_url", "raw_url", "blob_href")
        if data.get(name)
    }
    return here.union(*(addresses(value) for value in data.values()))


async def test_every_address_in_rest_leads_to_a_page(site: Site) -> None:
    """What REST calls html_url can be opened in a browser."""
    issue = await site.rest("POST", f"{REPO}/issues", {"title": "One"})
    await site.rest("POST", f"{REPO}/issues/{issue['number']}/comments", {"body": "Two"})
    pull = await site.pull()
    sha = pull["head"]["sha"]
    review = {"event": "APPROVE", "body": "", "comments": [{"path": "new.py", "line": 1, "body": "x"}]}
    await site.rest("POST", f"{REPO}/pulls/{pull['number']}/reviews", review)
    await site.rest("POST", f"{REPO}/check-runs", {"name": "tests", "head_sha": sha}, await site.bot())
    paths = [
        "", "/issues", "/issues/1/comments", f"/pulls/{pull['number']}", f"/pulls/{pull['number']}/files",
        f"/pulls/{pull['number']}/reviews", f"/pulls/{pull['number']}/comments", f"/commits/{sha}", "/commits",
        f"/commits/{sha}/check-runs", "/contents", "/contents/docs", "/contents/README.md", "/branches/main",
        f"/compare/main...{sha}",
    ]  # fmt: skip
    found: set[str] = set()
    for path in paths:
        found |= addresses(await site.rest("GET", REPO + path))
    you = await site.person()
    assert len(found) > 20
    for address in sorted(found):
        if not address.startswith(f"{site.url}/settings/"):
            assert (await you.see(address.removeprefix(site.url))).status == 200, address


async def test_the_front_page_tells_of_code_commits_and_branches(site: Site) -> None:
    """A repository's page has its files, its README with links that lead to files, commits and branches."""
    await site.commit("aurora/1", "deep/down/file.py", "print()\n")
    visitor = await site.visitor()
    page = await visitor.see(HOME)
    for words in ("README.md", "prices.py", "Start", "aurora/1"):
        assert words in page.words
    assert f'href="{HOME}/blob/main/docs/guide.md"' in page.text
    deep = await visitor.see(f"{HOME}/tree/aurora/1/deep/down")
    assert f'href="{HOME}/blob/aurora/1/deep/down/file.py"' in deep.text
    assert "Write deep/down/file.py" in deep.words
    history = await visitor.see(f"{HOME}/commits/aurora/1/deep")
    assert ("Write deep/down/file.py" in history.words, "Start" in history.words) == (True, False)
    assert (
        await visitor.see(f"{HOME}/tree/aurora/1/deep/down/file.py")
    ).path == f"{HOME}/blob/aurora/1/deep/down/file.py"
    assert (await visitor.see(f"{HOME}/blob/aurora/1/deep")).path == f"{HOME}/tree/aurora/1/deep"
    file = await visitor.see(f"{HOME}/blob/aurora/1/deep/down/file.py")
    assert 'id="L1"' in file.text
    assert (await visitor.see(f"{HOME}/raw/aurora/1/deep/down/file.py")).text == "print()\n"
    assert "Write deep/down/file.py" in (await visitor.see(f"{HOME}/commits/aurora/1")).words


async def test_a_diff_shows_lines_with_their_numbers(site: Site) -> None:
    """A commit's page shows removed and added lines, and the checks of the commit."""
    await site.commit("topic", "other.py", "x = 1\n")
    sha = await site.commit("topic", "shop.py", "one\ntwo\n")
    page = await (await site.visitor()).see(f"{HOME}/commit/{sha}")
    assert 'data-n="2"' in page.text
    assert "two" in page.words
    assert "1 file changed, +2" in page.words


async def test_pages_leave_rest_and_git_alone(site: Site) -> None:
    """Paths of REST answer JSON and those of git answer git, whatever a browser asks for."""
    visitor = await site.visitor()
    for path in (
        "/repos/acme/shop",
        "/users/you",
        "/rate_limit",
        "/repos/acme/nope",
        "/repos/acme",
        "/app/x",
        "/api/v3/x",
    ):
        page = await visitor.see(path)
        assert page.headers["Content-Type"].startswith("application/json"), path
    refs = await visitor.see(f"{HOME}.git/info/refs?service=git-upload-pack")
    assert refs.headers["Content-Type"] == "application/x-git-upload-pack-advertisement"
    assert (await visitor.see(f"{HOME}.git")).path == HOME
    async with site.session.get(f"{site.url}/orgs/nowhere") as answer:
        assert (answer.status, (await answer.json())["message"]) == (404, "Not Found")


async def test_lists_are_filtered_and_cut_into_pages(site: Site) -> None:
    """Open and closed, by label, fifty at a time."""
    for number in range(52):
        labels = ["bug"] if number == 0 else []
        await site.rest("POST", f"{REPO}/issues", {"title": f"Issue no {number}.", "labels": labels})
    await site.rest("PATCH", f"{REPO}/issues/2", {"state": "closed"})
    visitor = await site.visitor()
    first, second = await visitor.see(f"{HOME}/issues"), await visitor.see(f"{HOME}/issues?page=2")
    assert "Issue no 51." in first.words
    assert "Issue no 0." not in first.words
    assert "Issue no 0." in second.words
    labelled = await visitor.see(f"{HOME}/issues?label=bug")
    assert ("Issue no 0." in labelled.words, "Issue no 3." in labelled.words) == (True, False)
    closed = await visitor.see(f"{HOME}/issues?state=closed")
    assert ("Issue no 1." in closed.words, "Issue no 3." in closed.words) == (True, False)


async def test_an_empty_repository_says_how_to_begin(site: Site) -> None:
    """A repository without a commit shows the commands for a first push."""
    await site.rest("POST", "/user/repos", {"name": "empty"})
    page = await (await site.visitor()).see("/you/empty")
    assert page.status == 200
    assert f"git remote add origin {site.url}/you/empty.git" in page.words
    assert (await (await site.visitor()).see("/you/empty/commits")).status == 404


async def test_files_of_every_kind_are_shown(site: Site, source: Any) -> None:
    """Text, Markdown, binary and large files each have a page."""
    await site.commit("kinds", "big.txt", "x" * 1_100_000)
    await site.commit("kinds", "zero.bin", "a\0b")
    await site.commit("kinds", "notes.md", "# Title\n")
    visitor = await site.visitor()
    assert "too large" in (await visitor.see(f"{HOME}/blob/kinds/big.txt")).words
    assert "not text" in (await visitor.see(f"{HOME}/blob/kinds/zero.bin")).words
    assert (await visitor.see(f"{HOME}/blob/kinds/notes.md")).tag("h1")
    assert "# Title" in (await visitor.see(f"{HOME}/blob/kinds/notes.md?plain")).words
    plain = await visitor.see(f"{HOME}/raw/kinds/zero.bin")
    assert plain.headers["Content-Type"] == "application/octet-stream"
