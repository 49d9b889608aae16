"""What the documentation says of commands, files, names and the code is so."""

import argparse
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from app.domain.project import Phase
from app.domain.repository_settings import parse_settings
from app.settings import Settings
from docs import generate
from hub import manifest
from workers import cli
from workers.llm.specs import Known, parse_prices
from workers.maestro.settle import settle

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "docker" / "README.md"]
BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
VARIABLE = re.compile(r"\bAURORA_[A-Z_]*[A-Z]\b")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Yield page and text of every block in a language."""
    for page in PAGES:
        for found in BLOCK.finditer(page.read_text()):
            if found["language"] == language:
                yield name(page), found["text"]


def command_lines() -> list[tuple[str, list[str]]]:
    """Return page and words of each command in a shell block, without what is assigned before it."""
    found = []
    for page, text in blocks("sh"):
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"\w+=.*", words[0]):
                words.pop(0)
            if words and words[0] != "export":
                found.append((page, words))
    return found


def anchors(page: Path) -> set[str]:
    """Return what GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dependencies() -> set[str]:
    """Return the names that pyproject.toml depends on."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines = [*table["project"]["dependencies"], *table["dependency-groups"]["dev"]]
    return {re.split(r"[\[<>=~!; ]", line, maxsplit=1)[0] for line in lines}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_generated_parts_are_as_the_code_says_now(page):
    """Run `make docs` when this fails."""
    text = page.read_text()
    assert generate.updated(text) == text


def test_every_generated_part_is_shown_somewhere():
    """Nothing is generated for nobody."""
    shown = {found["part"] for page in PAGES for found in generate.MARK.finditer(page.read_text())}
    assert shown == set(generate.PARTS)


def test_the_picture_follows_the_graph(monkeypatch):
    """Another graph gives another picture, so a stale one can't pass."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    larger = {**generate.graph.NODES, Phase.done: settle}
    monkeypatch.setattr(generate.graph, "NODES", larger)
    assert generate.picture() not in page


def test_there_is_one_picture():
    """All other structure is text and tables."""
    assert [page for page, _ in blocks("mermaid")] == ["docs/architecture.md"]


def test_every_setting_has_a_meaning():
    """A setting without a docstring would be an empty cell."""
    empty = re.compile(r"\|\s*\|$", re.MULTILINE)
    assert not empty.search(generate.environment())
    assert not empty.search(generate.repository_settings())


def test_every_column_of_a_model_is_explained():
    """The head of models.toml names all that a row may hold."""
    told = generate.model_columns()
    missing = [field for field in Known.model_fields if field != "match" and field.split("_")[-1] not in told]
    assert not missing


def test_the_report_has_exactly_the_keys_that_are_explained():
    """A key that is added to `run --json` has to be explained."""

    def keys(value: object, path: str = "") -> Iterator[str]:
        if path:
            yield path
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from keys(inner, f"{path}.{key}" if path else key)
        elif isinstance(value, list) and value:
            yield from (key for key in keys(value[0], f"{path}[]") if key != f"{path}[]")

    assert set(keys(generate.example())) == set(generate.REPORT_KEYS)


def test_commands_are_real():
    """The command line's own parser takes each `aurora …`; each target of make is in the Makefile."""
    makefile = (ROOT / "Makefile").read_text().replace("$(READY):", ".venv/.ready:")
    targets = set(re.findall(r"^([\w./]+):", makefile, re.MULTILINE))
    known = 0
    for page, words in command_lines():
        if Path(words[0]).name == "aurora":
            parse(words[1:], page)
        elif words[0] == "make":
            assert set(words[1:]) <= targets, page
        else:
            assert words[0] == "docker", f"{page}: {shlex.join(words)} can't be checked here"
        known += 1
    assert known > 8


def parse(arguments: list[str], page: str) -> argparse.Namespace:
    try:
        return cli._parser().parse_args(arguments)
    except SystemExit as refused:
        raise AssertionError(f"{page}: aurora {shlex.join(arguments)} isn't accepted") from refused


def test_the_readme_begins_with_the_two_commands_that_set_everything_up():
    """What a fresh clone needs, in this order."""
    readme = [words for page, words in command_lines() if page == "README.md"]
    assert readme[:2] == [["make", "demo"], ["make", "test"]]


def test_commands_between_words_are_real():
    """The same for `aurora …` and `make …` in running text."""
    makefile = (ROOT / "Makefile").read_text()
    commands = generate.commands()
    for page in PAGES:
        text = BLOCK.sub("", page.read_text())
        for command in re.findall(r"`(?:\.venv/bin/)?aurora ([a-z]+)[ `]", text):
            assert f"`aurora {command}`" in commands, f"{name(page)}: aurora {command}"
        for target in re.findall(r"`make ([a-z]+)`", text):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{name(page)}: make {target}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    """Files exist, and so do headings; nothing is fetched."""
    for found in LINK.finditer(page.read_text()):
        parts = urlsplit(found["target"])
        if parts.scheme:
            continue
        target = (page.parent / parts.path).resolve() if parts.path else page
        assert target.exists(), found["target"]
        assert not parts.fragment or parts.fragment in anchors(target), found["target"]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_variables_exist(page):
    """A variable that is named is a setting, or is read by name somewhere in the code or in docker-compose.yml."""
    settings = {f"AURORA_{field.upper()}" for field in Settings.model_fields}
    compose = set(VARIABLE.findall((ROOT / "docker-compose.yml").read_text()))
    known = settings | compose | set(generate.NOT_OURS)
    assert not set(VARIABLE.findall(page.read_text())) - known


@pytest.mark.parametrize("variable", [one for one in generate.NOT_OURS if one.startswith("AURORA_")])
def test_variables_beside_the_settings_are_read_somewhere(variable):
    """What is listed by hand must not outlive the code."""
    assert any(f'"{variable}"' in file.read_text() for file in (ROOT / "workers").rglob("*.py"))


def test_examples_of_settings_are_valid():
    """JSON and YAML that people copy are accepted by what reads them."""
    prices = [text for _, text in blocks("json") if "input" in text]
    readme = re.findall(r"AURORA_MODEL_PRICES='(\{.*\})'", (ROOT / "README.md").read_text())
    assert prices
    assert readme
    for text in (*prices, *readme):
        assert parse_prices(text)
    for _, text in blocks("json"):
        assert json.loads(text)
    files = [text for _, text in blocks("yaml")]
    assert files
    for text in files:
        parse_settings(text)


def test_every_dependency_has_its_reason():
    """docs/why.md names each dependency in bold, and none that isn't there."""
    told = set(re.findall(r"\*\*`([a-z0-9-]+)`\*\*", (ROOT / "docs" / "why.md").read_text()))
    assert told == dependencies()


def test_permissions_are_those_of_the_manifest():
    """The table that people register the app by says what app.yml says."""
    asked = manifest.parse(yaml.safe_load((ROOT / "app.yml").read_text())).permissions
    rows = re.findall(r"^ +\| ([A-Z][\w ]+): (\w+) \|", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    assert {permission.lower().replace(" ", "_"): level for permission, level in rows} == asked


# Spelled in parts, so that this file doesn't find itself.
PLACES = ["/wo" + "rk/", "/ho" + "me/", "/ro" + "ot/"]
HOSTS = [
    "py" + "pi.org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "yarn" + "pkg.com",
    "crates" + ".io",
    "proxy.go" + "lang",
]
PRIVATE = re.compile(r"(?<![\w.$\-])(?:" + "|".join(PLACES) + ")|" + "|".join(map(re.escape, HOSTS)))


def private(text: str) -> list[str]:
    """Return the lines that name a place of one machine, or a package registry."""
    return [line.strip()[:200] for line in text.splitlines() if PRIVATE.search(line)]


def test_private_places_are_recognised():
    """The rule below can fail."""
    for bad in (f"see {PLACES[0]}main", f"--index-url https://{HOSTS[0]}/simple", f"at https://files.{HOSTS[1]}/x"):
        assert private(bad)
    assert not private("put it into /workspace/, homework/ or the network/")


def tracked() -> list[Path]:
    """Return the files that belong to the project."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, timeout=30, check=False)
    if listed.returncode:
        pytest.skip("this isn't a git checkout")
    return [ROOT / path for path in listed.stdout.decode().split("\0") if path]


def test_no_file_names_a_place_of_one_machine_or_a_registry():
    """What is checked in works from any place and any mirror."""
    found = {}
    for path in tracked():
        if not path.is_file():
            continue  # removed and not committed yet
        if lines := private(path.read_text(errors="replace")):
            found[name(path)] = lines[:3]
    assert not found
