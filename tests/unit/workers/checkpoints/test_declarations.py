"""What a repository declares becomes what is installed, without running any of it."""

import json
from pathlib import Path

import pytest

from app.domain.repository_settings import CommandSettings
from workers.checkpoints import declarations, judges, lint, registry, runners, types
from workers.checkpoints.environment import Environment
from workers.checkpoints.snapshot import Snapshot


def of(files: dict[str, str]) -> Snapshot:
    return Snapshot("c", "t", frozenset(files), files)


def test_a_repository_that_declares_nothing_shares_an_environment():
    one = declarations.read(of({"a.py": "", "README.md": ""}), None)
    other = declarations.read(of({"b.py": ""}), None)
    assert one.nothing
    assert one.digest == other.digest


def test_test_extras_and_groups_are_wanted_and_others_are_not():
    text = """
[project]
name = "x"
requires-python = ">=3.10"
dependencies = ["attrs"]
[project.optional-dependencies]
test = ["pytest-mock"]
docs = ["sphinx"]
[dependency-groups]
dev = ["iniconfig"]
lint = ["ruff"]
"""
    needs = declarations.read(of({"pyproject.toml": text, "a.py": ""}), None)
    assert (needs.listed, needs.project, needs.extras, needs.groups) == (True, False, ("test",), ("dev",))
    assert needs.requires_python == ">=3.10"


def test_requirement_files_for_tests_are_found_and_others_are_not():
    wanted = ["requirements-dev.txt", "requirements.txt", "requirements/test.txt", "test_requirements.txt"]
    others = ["requirements/docs.txt", "docs/requirements.txt", "requirements-docs.txt"]
    files = dict.fromkeys([*wanted, *others], "attrs\n")
    needs = declarations.read(of(files), None)
    assert needs.requirement_files == tuple(wanted)


@pytest.mark.parametrize(
    ("wanted", "requirement"),
    [
        ("^1.2", "a>=1.2,<2"),
        ("^0.3.1", "a>=0.3.1,<0.4"),
        ("~1.4", "a>=1.4,==1.4.*"),
        ("*", "a"),
        ("2.0", "a==2.0"),
        (">=1,<3", "a>=1,<3"),
        ("^x", "a"),
    ],
)
def test_poetry_s_ranges_are_translated(wanted, requirement):
    text = f'[tool.poetry.dependencies]\npython = "^3.9"\na = "{wanted}"\nlocal = {{path = "../b"}}\n'
    assert declarations.read(of({"pyproject.toml": text}), None).requirements == (requirement,)


def test_plugins_that_the_options_of_pytest_need_are_added():
    text = "[tool.pytest.ini_options]\naddopts = '--cov=pkg -n auto'\nasyncio_mode = 'auto'\n"
    needs = declarations.read(of({"pyproject.toml": text, "a.py": ""}), None)
    assert needs.plugins == ("pytest-cov", "pytest-xdist", "pytest-asyncio")


@pytest.mark.parametrize(
    "text",
    ["[project", "project = 1", "[tool]\npoetry = 3", "[project]\ndependencies = 'x'", "a" + ".b" * 9999 + "=1"],
)
def test_nonsense_declares_nothing_and_breaks_nothing(text):
    files = {"pyproject.toml": text, "package.json": "[" * 9999, "setup.cfg": text}
    files |= {"Pipfile.lock": "3", "poetry.lock": text}
    declarations.read(of(files), None)
    runners.choose(of(files), Environment(digest=""), CommandSettings(), ())
    lint.choose(of(files), Environment(digest=""), CommandSettings())
    types.choose(of(files), Environment(digest=""), CommandSettings())


def test_nothing_secret_reaches_an_installer(tmp_path):
    (tmp_path / ".npmrc").write_text("registry=https://me:pw@npm.example/\n//npm.example/:_authToken=SECRET\n")
    environ = {
        "PIP_INDEX_URL": "https://user:SECRET@pypi.example/simple",
        "UV_INDEX": "https://SECRET@more.example/simple",
    }
    variables = registry.of_this_machine(environ, tmp_path).variables
    assert variables["UV_DEFAULT_INDEX"] == "https://pypi.example/simple"
    assert "https://more.example/simple" in variables["UV_INDEX"]
    assert variables["npm_config_registry"] == "https://npm.example/"
    assert not any("SECRET" in value or "pw" in value for value in variables.values())


@pytest.mark.parametrize(
    ("path", "before", "after", "edits"),
    [
        ("pytest.ini", "", "[pytest]", ["`pytest.ini`"]),
        ("tests/conftest.py", "", "x", ["`tests/conftest.py`"]),
        ("pyproject.toml", "[tool.ruff]\na=1", "[tool.ruff]\na=2", ["`pyproject.toml` [tool.ruff]"]),
        ("pyproject.toml", "[project]\nname='a'", "[project]\nname='b'", []),
        ("setup.cfg", "[tool:pytest]\na=1", "[tool:pytest]\na=2", ["`setup.cfg` [tool:pytest]"]),
        ("package.json", '{"scripts":{"test":"a"}}', '{"scripts":{"test":"true"}}', ["`package.json` scripts.test"]),
        (".github/aurora.yml", "", "", ["`.github/aurora.yml`"]),
        ("src/app.py", "", "x", []),
    ],
)
def test_edits_of_judges_are_noticed(path, before, after, edits):
    assert list(judges.edited(path, before, after)) == edits


@pytest.mark.parametrize(
    ("script", "name", "part"),
    [
        ("vitest", "vitest", "vitest --run --reporter=default --reporter=junit"),
        ("vitest run", "vitest", "vitest run --reporter=default"),
        ("tsc && jest --coverage", "jest", "tsc && jest --coverage --ci --json"),
        ("mocha 'test/**'", "mocha", "--reporter json"),
        ("node --import tsx --test test/*.ts", "node --test", "node --import tsx --test-reporter=spec"),
        ("make check", "npm test", "make check"),
        ("jest | tee log", "npm test", "jest | tee log"),
    ],
)
def test_known_runners_are_told_to_write_a_report(script, name, part):
    package = json.dumps({"scripts": {"test": script}})
    (runner,) = runners.choose(of({"package.json": package, "a.js": ""}), Environment(digest=""), CommandSettings(), ())
    command = runner.command(Path("/r"), 60.0)[-1]
    assert runner.name == name
    assert part in command
    assert "{" not in command
