"""Code from an answer finds its place in a file."""

import pytest

from app.errors import BadAnswer
from workers.agents.splice import splice

OLD = '''"""Shapes."""

import math

UNIT = 1


class Circle:
    """A circle."""

    def __init__(self, r):
        self.r = r

    @property
    def area(self):
        return self.r * math.pi


def double(x):
    return x + x


if __name__ == "__main__":
    print(double(2))
'''


def test_a_function_replaces_its_namesake_and_leaves_the_rest():
    new = splice(OLD, "def double(x):\n    return 2 * x\n", "a.py")
    assert new == OLD.replace("return x + x", "return 2 * x")


def test_a_bare_method_goes_into_its_class_and_keeps_its_decorator():
    new = splice(OLD, "def area(self):\n    return self.r ** 2 * math.pi\n", "a.py")
    assert new == OLD.replace("self.r * math.pi", "self.r ** 2 * math.pi")


def test_an_indented_method_is_taken_too():
    new = splice(OLD, "    @property\n    def area(self):\n        return 3\n", "a.py")
    assert new == OLD.replace("return self.r * math.pi", "return 3")


def test_a_class_with_some_of_its_methods_keeps_the_others():
    new = splice(OLD, "class Circle:\n    def grow(self):\n        self.r += 1\n", "a.py")
    assert "def __init__" in new
    assert "    def grow(self):\n        self.r += 1\n" in new
    compile(new, "a.py", "exec")


def test_a_whole_file_replaces_everything():
    whole = OLD.replace("double", "double").replace("x + x", "2 * x") + "\n# end\n"
    assert splice(OLD, whole, "a.py") == whole


def test_a_whole_file_may_take_something_out():
    whole = OLD.replace("def double(x):\n    return x + x\n", "def twice(x):\n    return 2 * x\n")
    assert "double(x)" not in splice(OLD, whole, "a.py")


def test_a_whole_file_does_not_lose_what_the_file_says_of_itself():
    whole = OLD.removeprefix('"""Shapes."""\n\n').replace("x + x", "2 * x")
    assert splice(OLD, whole, "a.py") == OLD.replace("x + x", "2 * x")


def test_a_new_function_and_import_go_where_they_belong():
    new = splice(
        OLD, "import re\n\n\ndef words(text):\n    return re.findall('x', text)\n\nprint(words('x'))\n", "a.py"
    )
    assert "import math\nimport re\n" in new
    assert new.index("def words") < new.index("if __name__")
    assert "print(words" not in new
    compile(new, "a.py", "exec")


def test_placeholders_are_refused_with_words():
    with pytest.raises(BadAnswer, match="leaves parts out"):
        splice(OLD, "def double(x):\n    # ... existing code ...\n    return 1\n", "a.py")


def test_a_class_with_a_placeholder_keeps_what_it_stands_for():
    code = "class Circle:\n    # ... rest of the methods unchanged\n    def area(self):\n        return 1\n"
    assert splice(OLD, code, "a.py") == OLD.replace("return self.r * math.pi", "return 1")


JS = """import { x } from './x.js'

export function one() {
  return 1
}

export class A {
  area() {
    return x
  }
}

const two = () => 2
"""


def test_javascript_functions_methods_and_constants_are_told_apart():
    assert splice(JS, "function one() {\n  return 10\n}\n", "a.js") == JS.replace("return 1\n", "return 10\n")
    assert splice(JS, "area() {\n  return 5\n}\n", "a.js") == JS.replace("return x", "return 5")
    assert splice(JS, "const two = () => 22\n", "a.ts") == JS.replace("=> 2", "=> 22")


def test_a_file_of_an_unknown_kind_is_replaced():
    assert splice("a: 1\n", "a: 2", "x.yaml") == "a: 2\n"
