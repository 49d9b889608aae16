"""A repository's own mypy, flake8 and black judge it when it has configured and installed them."""

from app.domain.repository_settings import CommandSettings

CONFIGURED = {
    "requirements-dev.txt": "mypy\nflake8\nblack\n",
    "mypy.ini": "[mypy]\nstrict = true\n",
    ".flake8": "[flake8]\nselect = E225\n",
    "pyproject.toml": "[tool.black]\nline-length = 30\n",
    "m.py": "def old(x):  # untyped\n    return x\n",
}


async def test_mypy_flake8_and_black(registry, bay, checkers, shared_data):
    change = "\n\ndef new(x: int) -> str:\n    return x\n\n\ny=1\nlong = [old(1), old(2), old(3), old(4)]\n"
    async with bay(CONFIGURED, {"m.py": CONFIGURED["m.py"] + change}) as it:
        await checkers.prepare(it.clone, it.worktree.base, CommandSettings(), None)
        assert any((shared_data / "caches").iterdir())  # of mypy, which is slow without
        types, lint = await it.bench.types(), await it.bench.lint()
        assert "`mypy --no-color-output" in types.summary
        assert "return-value" in {f.code for f in types.new_findings}, types.summary
        assert [f.code for f in types.findings if not f.is_new] == ["no-untyped-def"]
        assert {f.code for f in lint.new_findings} == {"E225", "format"}, lint.summary
        assert await it.bench.format() == ["m.py"]
        assert "long = [\n" in (it.worktree.path / "m.py").read_text()
