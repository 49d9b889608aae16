"""A repository's own environment: what it declares is there, once, and a failure is told."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from app.domain.checks import Conclusion
from app.errors import EnvironmentFailed
from tests.integration.checkpoints.conftest import git
from workers.checkpoints.suite import Checkers

PACKAGE = {
    "pyproject.toml": """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "shop-cart"
version = "1.2.3"
dependencies = ["attrs"]
[dependency-groups]
dev = ["iniconfig"]
[tool.hatch.build.targets.wheel]
packages = ["src/shop"]
""",
    "src/shop/__init__.py": "import attrs\n\n\n@attrs.define\nclass Cart:\n    size: int = 0\n",
    "tests/test_cart.py": """from importlib.metadata import version

import iniconfig
import shop


def test_cart():
    assert shop.Cart(2).size == 2
    assert version("shop-cart") == "1.2.3"
    assert iniconfig


def test_where_it_is(request):
    assert str(request.config.rootpath) in shop.__file__
""",
}


async def test_a_src_layout_package_with_dependencies_is_tested_as_changed(registry, bay):
    better = PACKAGE["src/shop/__init__.py"] + "\n\n    def grow(self) -> None:\n        self.size += 1\n"
    more = (
        PACKAGE["tests/test_cart.py"] + "\n\ndef test_new():\n    import shop.extra\n    assert shop.extra.ONE == 1\n"
    )
    change = {"src/shop/__init__.py": better, "src/shop/extra.py": "ONE = 1\n", "tests/test_cart.py": more}
    async with bay(PACKAGE, change) as it:
        tests, types = await it.bench.tests(), await it.bench.types()
        assert tests.title == "3 tests passed", tests.summary
        assert types.title == "No new type errors", types.summary
        ran = await it.bench.run("python -c 'import shop.extra; print(shop.__file__)'; touch written; id -u", 30)
        assert ran.exit_code == 0
        assert str(it.worktree.path / "src/shop/__init__.py") in ran.output


async def test_requirements_are_installed_and_two_that_ask_at_once_share_one_build(registry, bay, tmp_path, checkers):
    base = {"requirements.txt": "sortedcontainers\n", "requirements-dev.txt": "-r requirements.txt\npytest\n"}
    base |= {"test_it.py": "def test():\n    import sortedcontainers\n"}
    fresh = Checkers(checkers._equipment.executor._sandbox, tmp_path / "fresh", lambda: datetime.now(UTC))
    other = Checkers(checkers._equipment.executor._sandbox, tmp_path / "fresh", lambda: datetime.now(UTC))
    async with bay(base, {"x.py": "x = 1\n"}, using=fresh) as it:
        second = other.bench(it.clone, it.worktree, it.bench._commands, None)
        results = await asyncio.gather(it.bench.tests(), second.tests())
    assert [result.title for result in results] == ["1 test passed"] * 2
    assert results[0] == results[1]
    assert len(list((tmp_path / "fresh/environments").glob("*.json"))) == 1


async def test_what_cannot_be_installed_is_told_and_the_tests_are_not_run(bay):
    base = {
        "requirements.txt": "no-such-package-for-aurora==9\n",
        "test_it.py": "def test(): pass\n",
        "m.py": "x = 1\n",
    }
    async with bay(base, {"m.py": "x = 2\n"}) as it:
        tests = await it.bench.tests()
        assert tests.conclusion is Conclusion.not_run
        assert "no-such-package-for-aurora" in tests.summary
        assert (await it.bench.types()).conclusion is Conclusion.passed
        assert (await it.bench.lint()).conclusion is Conclusion.passed


async def test_a_setup_command_installs_what_it_likes(registry, bay):
    base = {"deps.list": "toolz\n", "test_it.py": "import toolz\n\n\ndef test():\n    assert toolz\n"}
    async with bay(base, {"m.py": "x = 2\n"}, setup="pip install -q -r deps.list") as it:
        assert (await it.bench.tests()).title == "1 test passed"


async def test_without_network_nothing_declared_still_works(bay, tmp_path, checkers):
    offline = Checkers(
        checkers._equipment.executor._sandbox, tmp_path / "off", lambda: datetime.now(UTC), network_allowed=False
    )
    async with bay({"test_it.py": "def test():\n    pass\n"}, {"m.py": "x = 2\n"}, using=offline) as it:
        assert (await it.bench.tests()).title == "1 test passed"


async def test_a_build_that_was_cut_short_is_made_again(bay, tmp_path, checkers):
    fresh = Checkers(checkers._equipment.executor._sandbox, tmp_path / "cut", lambda: datetime.now(UTC))
    async with bay({"test_it.py": "def test():\n    pass\n"}, {"m.py": "x = 2\n"}, using=fresh) as it:
        known = await fresh._equipment.snapshot(it.clone, it.worktree.base)
        built = await fresh._equipment.environments.of(it.clone, known, None)
        built.home.with_suffix(".json").unlink()
        (built.home / "venv/bin/python").unlink()
        again = Checkers(checkers._equipment.executor._sandbox, tmp_path / "cut", lambda: datetime.now(UTC))
        assert (await again.bench(it.clone, it.worktree, it.bench._commands, None).tests()).title == "1 test passed"


@pytest.mark.parametrize("wanted", [">=99", "--help"])
async def test_a_python_that_is_not_here_is_told(bay, wanted):
    base = {"pyproject.toml": f"[project]\nname='x'\nversion='1'\nrequires-python='{wanted}'\n", "test_it.py": ""}
    async with bay(base, {"m.py": "x = 2\n"}) as it:
        tests = await it.bench.tests()
    assert tests.conclusion is Conclusion.not_run
    assert "this machine has none that fits" in tests.summary


PLANT = """
echo '{"digest": "planted", "home": "/", "toolchains": ["/root"]}' > "$VIRTUAL_ENV/../environment.json"
ln -s VICTIM "$VIRTUAL_ENV/../environment.json.new"
sleep 1
"""


@pytest.mark.parametrize("last", ["exit 1", "true"])
async def test_a_build_cannot_say_of_itself_what_was_installed(bay, tmp_path, checkers, last):
    victim, home = tmp_path / "victim", tmp_path / "planted"
    setup = PLANT.replace("VICTIM", str(victim)) + last
    sandbox = checkers._equipment.executor._sandbox
    one, two = (Checkers(sandbox, home, lambda: datetime.now(UTC), network_allowed=False)._equipment for _ in range(2))
    async with bay({"m.py": "x = 1\n"}) as it:
        known = await one.snapshot(it.clone, it.worktree.base)
        first = asyncio.create_task(one.environments.of(it.clone, known, setup))
        async with asyncio.timeout(60):
            while not list(home.glob("environments/*/environment.json")) and not first.done():
                await asyncio.sleep(0.02)
        found = await asyncio.gather(two.environments.of(it.clone, known, setup), first, return_exceptions=True)
    assert not victim.exists()
    assert all(getattr(item, "digest", "") != "planted" for item in found)


async def test_a_link_of_the_repository_is_not_written_through_by_an_installation(bay, tmp_path, checkers):
    victim, origin = tmp_path / "victim", tmp_path / "origin"
    base = {"poetry.lock": '[[package]]\nname = "evil"\nversion = "1"\n', "requirements.txt": "no-such-package==1\n"}
    offline = Checkers(
        checkers._equipment.executor._sandbox, tmp_path / "link", lambda: datetime.now(UTC), network_allowed=False
    )
    async with bay(base) as it:
        for name in (".aurora-constraints", "constraints.txt"):
            (origin / name).symlink_to(victim)
        git(origin, "add", "--all")
        git(origin, "commit", "-q", "-m", "link")
        await it.clone.fetch()
        known = await offline._equipment.snapshot(it.clone, git(origin, "rev-parse", "HEAD"))
        with pytest.raises(EnvironmentFailed):
            await offline._equipment.environments.of(it.clone, known, None)
    assert not victim.exists()


@pytest.mark.parametrize(
    "setup",
    [
        'mkdir node_modules; touch node_modules/evil; ln -s HOST "$VIRTUAL_ENV/../node_modules"',
        'cd "$VIRTUAL_ENV"/lib/python3*; rm -r site-packages; ln -s HOST site-packages',
        'cd "$VIRTUAL_ENV"/lib/python3*/site-packages; ln -s HOST pytest',
        'rm -r "$VIRTUAL_ENV"; ln -s HOST "$VIRTUAL_ENV"',
        'rm -r "$VIRTUAL_ENV/lib"',
    ],
)
async def test_a_build_leads_nobody_out_of_its_directory(bay, tmp_path, checkers, setup):
    host = tmp_path / "host"
    (host / "lib/python3.11/site-packages").mkdir(parents=True)
    before = sorted(host.rglob("*"))
    offline = Checkers(
        checkers._equipment.executor._sandbox, tmp_path / "out", lambda: datetime.now(UTC), network_allowed=False
    )
    async with bay({"m.py": "x = 1\n"}) as it:
        known = await offline._equipment.snapshot(it.clone, it.worktree.base)
        with suppress(EnvironmentFailed):
            await offline._equipment.environments.of(it.clone, known, setup.replace("HOST", str(host)))
    assert sorted(host.rglob("*")) == before


async def test_what_a_section_s_setup_installs_for_node_is_there_for_its_commands(bay):
    setup = "cd web && mkdir -p node_modules/.bin && printf '#!/bin/sh\\necho here' > node_modules/.bin/tool-of-web"
    setup += " && chmod +x node_modules/.bin/tool-of-web"
    async with bay({"web/a.txt": "a"}, {"web/a.txt": "b"}, None, setup) as it:
        ran = await it.bench.run("cd web && tool-of-web", 60)
    assert (ran.exit_code, ran.output.strip()) == (0, "here")
