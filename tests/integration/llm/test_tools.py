"""The six actions: what they answer, and what they refuse."""

import os

import pytest

from app.domain.roles import AgentRole, Tool
from workers.agents.actions import PUT_CODE, check_arguments
from workers.agents.guard import Refused
from workers.agents.roster import roster
from workers.agents.tools import Toolbox


@pytest.fixture
def do(tree, bench):
    async def act(name, role=AgentRole.backend, protected=(), **arguments):
        box = Toolbox(roster()[role], tree, bench, protected)
        return (await box.perform(check_arguments(name, arguments, frozenset(Tool)))).text

    return act


async def refused(doing):
    with pytest.raises(Refused) as refusal:
        await doing
    return str(refusal.value)


async def test_reading_is_numbered_bounded_and_can_go_on(do, tree):
    (tree.path / "long.txt").write_text("".join(f"line {n}\n" for n in range(1, 1001)))
    text = await do("read_file", path="long.txt", start=10)
    assert text.startswith("   10  line 10\n")
    assert text.endswith("(1000 lines in all; read on with start=410)")
    assert await do("read_file", file="long.txt", start="5", end="5") == (
        "    5  line 5\n(1000 lines in all; read on with start=6)"
    )


async def test_a_missing_file_suggests_its_namesake(do):
    assert "Did you mean src/sums.py?" in await refused(do("read_file", path="sums.py"))
    assert "src is a folder with: sums.py" in await refused(do("read_file", path="src"))


async def test_search_finds_new_files_and_survives_bad_patterns(do, tree):
    (tree.path / "new.py").write_text("needle(1)\n")
    assert await do("search", pattern=r"needle\(\d") == "new.py:1:needle(1)"
    assert await do("search", pattern="needle(") == "new.py:1:needle(1)"
    assert "Nothing matches" in await do("search", pattern="needle", path="src")


async def test_a_search_with_many_hits_is_bounded(do, tree):
    for number in range(200):
        (tree.path / f"f{number}.txt").write_text(f"hit {'x' * 500}\n" * 30)
    text = await do("search", pattern="hit")
    assert len(text) < 13_000
    assert "narrower" in text


async def test_a_search_that_takes_too_long_is_stopped(do, tree, monkeypatch):
    (tree.path / "git").write_text("#!/bin/sh\nexec sleep 30\n")
    (tree.path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tree.path}:{os.environ['PATH']}")
    monkeypatch.setattr("workers.agents.tools.SEARCH_SECONDS", 0.2)
    assert "use a simpler pattern" in await refused(do("search", pattern="total"))


async def test_an_edit_has_to_be_unambiguous(do, tree):
    assert "occurs 2 times" in await refused(do("edit_file", path="src/sums.py", old="return", new="yield"))
    text = await refused(do("edit_file", path="src/sums.py", old="for v in values:", new="x"))
    assert "    8      for value in values:" in text
    assert "old" in await refused(do("edit_file", path="src/sums.py", old=" ", new="x"))


async def test_an_edit_forgives_white_space_and_keeps_the_margin(do, tree):
    await do(
        "edit_file",
        path="src/sums.py",
        old="for value in values:\n  result -= value",
        new="for value in []:\n    pass",
    )
    assert "    for value in []:\n        pass\n" in (tree.path / "src/sums.py").read_text()


async def test_an_edit_that_forgot_the_margin_is_put_right(do, tree):
    new = "if value > 9:\n    continue\nresult += value"
    await do("edit_file", path="src/sums.py", old="result -= value", new=new)
    fixed = "        if value > 9:\n            continue\n        result += value\n"
    assert fixed in (tree.path / "src/sums.py").read_text()


async def test_an_edit_keeps_line_ends(do, tree):
    (tree.path / "dos.txt").write_bytes(b"one\r\ntwo\r\nthree\r\n")
    await do("edit_file", path="dos.txt", old="one\ntwo", new="1\n2")
    assert (tree.path / "dos.txt").read_bytes() == b"1\r\n2\r\nthree\r\n"


async def test_broken_syntax_is_shown_and_not_written(do, tree):
    text = await refused(do("write_file", path="src/bad.py", content="def f(:\n    pass\n"))
    assert "syntax error in line 1" in text
    assert "    1  def f(:" in text
    assert not (tree.path / "src/bad.py").exists()


@pytest.mark.parametrize(
    "path",
    ["../x", "/etc/passwd", "a/../../x", ".git/config", ".GIT/hooks/x", "sub/.git/config", ".github/workflows/x.yml",
     ".github/aurora.yml", "CODEOWNERS", ".github/CODEOWNERS", "docs/codeowners", "~/.ssh/id", "", "link/x", "src"],
)  # fmt: skip
async def test_no_path_leads_out_of_bounds(do, tree, tmp_path, path):
    (tmp_path / "outside").mkdir()
    (tree.path / "link").symlink_to(tmp_path / "outside")
    assert await refused(do("write_file", path=path, content="x"))
    assert not list((tmp_path / "outside").iterdir())


async def test_a_pointer_to_a_file_kept_elsewhere_isn_t_written_over(do, tree):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n"
    (tree.path / "logo.svg").write_text(pointer)
    assert "Git LFS" in await refused(do("write_file", path="logo.svg", content="<svg/>"))
    assert (tree.path / "logo.svg").read_text() == pointer


@pytest.mark.parametrize("target", [".git/config", "loop"])
async def test_no_link_leads_to_what_belongs_to_git_or_in_circles(do, tree, target):
    (tree.path / "loop").symlink_to("loop")
    (tree.path / "link").symlink_to(target)
    assert await refused(do("write_file", path="link", content="gitdir: elsewhere"))
    assert await refused(do("read_file", path="link"))


async def test_a_link_does_not_widen_what_a_role_may_write(do, tree):
    (tree.path / "tests").mkdir()
    (tree.path / "tests" / "test_x.py").symlink_to(tree.path / "src" / "sums.py")
    assert "may not change src/sums.py" in await refused(
        do("write_file", AgentRole.test_engineer, path="tests/test_x.py", content="x = 1\n")
    )


async def test_refusals_name_the_rule(do):
    assert "protects src/** (protected_paths)" in await refused(
        do("write_file", protected=("src/**",), path="src/sums.py", content="x")
    )
    assert "It may change: docs/**" in await refused(
        do("write_file", AgentRole.documentation, path="src/sums.py", content="x")
    )
    assert "may not change files" in await refused(
        do("write_file", AgentRole.code_reviewer, path="README.md", content="x")
    )


async def test_commands_answer_with_output_and_exit_code(do):
    assert await do("run", cmd="echo hi; exit 3") == "hi\n(exit code 3)"
    assert len(await do("run", command="yes | head -c 100000")) < 13_000


async def test_a_writer_of_tests_is_not_done_without_one(do, tree):
    assert "has to change one of tests/**" in await refused(do("done", AgentRole.test_engineer, summary="x"))
    (tree.path / "tests").mkdir()
    (tree.path / "tests/test_a.py").write_text("x = 1\n")
    assert await do("done", AgentRole.test_engineer, summary="x") == "x"


async def test_code_for_an_invented_folder_finds_its_file(do, tree):
    await do(PUT_CODE, path="path/to/sums.py", content="def total(values):\n    return sum(values)\n")
    assert "return sum(values)" in (tree.path / "src/sums.py").read_text()
    await do(PUT_CODE, path="new/folder/other.py", content="def other():\n    return 1\n")
    assert (tree.path / "new/folder/other.py").exists()


async def test_unknown_tools_and_arguments_are_explained(do):
    with pytest.raises(Refused, match=r"doesn't exist. There are: read_file, search"):
        check_arguments("fly", {}, frozenset(Tool))
    with pytest.raises(Refused, match="isn't available to this role"):
        check_arguments("run", {"command": "x"}, roster()[AgentRole.documentation].tools)
    with pytest.raises(Refused, match="It takes: path, old, new"):
        check_arguments("edit_file", {"path": "a"}, frozenset(Tool))
