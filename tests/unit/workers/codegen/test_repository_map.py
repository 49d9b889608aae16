"""The map of a repository: what it lists, in which order, and how it fits."""

import time

import pytest

from workers.codegen.instructions import tokens
from workers.codegen.repository_map import MOST_READ, outline, outline_lines, rank, repository_map, source_of

PYTHON = '''\
import os

__all__ = ["Store"]
LIMIT: int = 3
TABLE = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7}


@dataclass(frozen=True)
class Store(Base):
    """Keeps things."""

    path: str
    hidden = 1

    @property
    async def size(
        self,
        limit: int = 10,
    ) -> int:  # in bytes
        def inner(): ...
        return 1


def open_store(path: str, *, make=lambda: {"a": 1}): return Store(path)

if os.name == "nt":
    def only_here(): pass
'''

TYPESCRIPT = """\
import x from "y";
export interface Shape { area(): number; name: string }
export const load = async (path: string): Promise<void> => { return; };
export default abstract class Circle<T> extends Base implements Shape {
  private radius = 1;
  area(): number { return 1; }
  static handle = (event: Event) => { };
  abstract grow(by: number): void;
}
export type Id = string | number;
enum Colour { red, green }
function* walk(tree: Tree) { yield 1; }
"""


class Tree:
    """The files of one commit; stands in for a clone's two reading methods."""

    def __init__(self, files: dict[str, str | bytes]) -> None:
        self.contents, self.reads = files, list[str]()

    async def files(self, commit: str) -> list[str]:
        return sorted(self.contents)

    async def read(self, commit: str, path: str) -> bytes | None:
        self.reads.append(path)
        content = self.contents.get(path)
        return content.encode() if isinstance(content, str) else content


def test_python_definitions_are_listed_with_their_lines_and_signatures():
    assert outline_lines(outline("store.py", PYTHON)) == [
        "   4 LIMIT: int = 3",
        '   5 TABLE = {"one": 1, "two": 2, "three": 3, "four": 4, "five" …',
        "   9 class Store(Base)",
        "  12   path: str",
        "  16   async def size(self, limit: int = 10) -> int",
        '  24 def open_store(path: str, *, make=lambda: {"a": 1})',
        "  27 def only_here()",
    ]


def test_typescript_definitions_are_listed_with_their_lines_and_signatures():
    assert outline_lines(outline("shape.ts", TYPESCRIPT)) == [
        "   2 interface Shape { area(): number; name: string }",
        "   3 load = async (path: string): Promise<void>",
        "   4 abstract class Circle<T> extends Base implements Shape",
        "   6   area(): number",
        "   7   static handle = (event: Event)",
        "   8   abstract grow(by: number): void",
        "  10 type Id = string | number",
        "  11 enum Colour { red, green }",
        "  12 function* walk(tree: Tree)",
    ]


@pytest.mark.parametrize("path", ["a.js", "a.jsx", "a.mjs", "a.tsx"])
def test_javascript_in_all_its_spellings_is_read(path: str):
    text = "class A { run(x) { return <b/>; } }\nconst f = function (a, b) { };\n"
    names = [part.name for part in outline(path, text)]
    assert names == ["A", "run", "f"]


def test_a_definition_knows_where_it_ends():
    store = next(part for part in outline("store.py", PYTHON) if part.name == "Store")
    assert (store.line, store.end_line) == (9, 21)


@pytest.mark.parametrize(
    "text", ["def (:\n  )", "\x00\x01", "\ud800", "class " * 3000, "(" * 5000, "if (a) {} else " * 9000, ""]
)
def test_what_is_no_program_is_no_error(text: str):
    outline("a.py", text)
    outline("a.ts", text)


async def test_the_map_lists_all_files_of_a_small_repository_by_path():
    tree = Tree({"b.py": "def g(): pass\n", "a.py": "def f(): pass\n", "README.md": "# Hi", "x.png": b"\0\1"})
    drawn = await repository_map(tree, "c0", "", (), 500)
    assert drawn == "README.md\na.py\n   1 def f()\nb.py\n   1 def g()\nx.png"


def ranked(files: dict[str, str], wanted: str, *footprint: str) -> list[str]:
    return rank({path: source_of(path, text) for path, text in files.items()}, wanted, footprint)


def test_footprint_comes_before_mention_before_references_before_tests():
    files = {
        "far.py": "def remote(): pass\n",
        "used.py": "def popular(): pass\n",
        "user.py": "from used import popular\n",
        "named.py": "def slugify(text): pass\n",
        "goal.py": "def change_me(): pass\n",
        "tests/test_goal.py": "def test_it(): pass\n",
        "tests/test_far.py": "def test_it(): pass\n",
    }
    assert ranked(files, "Let `slugify` keep dashes", "goal.py") == [
        "goal.py", "named.py", "used.py", "far.py", "user.py", "tests/test_goal.py", "tests/test_far.py",
    ]  # fmt: skip


def test_what_the_footprint_uses_comes_before_what_others_use():
    others = {f"m{i}.py": "from common import shared_thing\n" for i in range(3)}
    files = {"goal.py": "import helper; helper.assist()", "helper.py": "def assist(): pass\n"}
    files |= others | {"common.py": "def shared_thing(): pass\n"}
    assert ranked(files, "", "goal.py")[:3] == ["goal.py", "helper.py", "common.py"]


def test_a_plain_word_that_many_files_define_is_no_mention():
    files = {f"m{i}.py": "def process(): pass\n" for i in range(9)} | {"z.py": "def cleanse(): pass\n"}
    assert ranked(files, "process and cleanse the data")[0] == "z.py"


@pytest.mark.parametrize("budget", [0, 10, 50, 200, 1_000])
async def test_the_map_keeps_to_its_budget_and_says_what_is_missing(budget: int):
    files = {f"src/p{i}/module.py": PYTHON for i in range(40)}
    drawn = await repository_map(Tree(files), "c0", "Store", ("src/p7/**",), budget)
    assert tokens(drawn) <= max(budget, 8)
    assert "more files)" in drawn
    assert budget < 50 or "src/p7/module.py\n" in drawn


async def test_the_same_question_gets_the_same_map():
    files = {f"m{i}.py": PYTHON for i in range(30)}
    maps = {await repository_map(Tree(files), "c0", "open_store", ("m3.py",), 400) for _ in range(3)}
    assert len(maps) == 1


async def test_ten_thousand_files_are_bounded_work():
    files = {f"pkg{i % 100}/mod{i}.py": f"def function_{i}(): pass\n" for i in range(10_000)}
    tree = Tree(files | {"node_modules/x/index.js": "x", "deep/er/target.py": "def goal(): pass\n"})
    began = time.process_time()
    drawn = await repository_map(tree, "c0", "Fix goal", ("deep/er/target.py",), 1_000)
    assert len(tree.reads) == MOST_READ
    assert "deep/er/target.py\n   1 def goal()" in drawn
    assert "node_modules/x/index.js" not in tree.reads
    assert time.process_time() - began < 5


async def test_binary_and_huge_files_are_only_named():
    tree = Tree({"a.py": b"x\0y", "b.py": "x = 1\n" * 60_000, "c.py": b"\xff\xfe = 1\ndef f(): pass\n"})
    assert await repository_map(tree, "c0", "", (), 100) == "a.py\nb.py\nc.py\n   2 def f()"
