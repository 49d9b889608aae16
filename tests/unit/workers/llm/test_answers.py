"""JSON and code are found in whatever a model writes."""

import pytest

from app.errors import BadAnswer
from workers.llm.answers import code_blocks, is_diff, json_values, parse_json, without_thoughts

WANTED = {"a": [1, 2], "b": "x"}


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, 2], "b": "x"}',
        '```json\n{"a": [1, 2], "b": "x"}\n```',
        'Sure! Here it is:\n\n```\n{"a": [1, 2], "b": "x"}\n```\nAnything else?',
        'The answer is {"a": [1, 2], "b": "x"}, I think.',
        '{"a": [1, 2,], "b": "x",}',
        "{“a”: [1, 2], “b”: “x”}",
        "{'a': [1, 2], 'b': 'x'}",
        '<think>Maybe {"a": 0}?</think>\n{"a": [1, 2], "b": "x"}',
        'hm {"a": 0}</think>{"a": [1, 2], "b": "x"}',
        'see [1] and {"small": {}} or\n{"a": [1, 2], "b": "x"}',
    ],
)
def test_json_is_read_in_many_shapes(text):
    assert parse_json(text) == WANTED


def test_line_breaks_inside_json_strings_are_forgiven():
    assert parse_json('{"code": "a\nb"}') == {"code": "a\nb"}


def test_a_cut_off_answer_is_called_that():
    with pytest.raises(BadAnswer, match="cut off"):
        parse_json('{"tasks": [{"key": "t1", "title": "wri')


@pytest.mark.parametrize("text", ["", "   ", "<think>only thoughts", "no json at all", "42"])
def test_no_json_is_said_in_words(text):
    with pytest.raises(BadAnswer):
        parse_json(text)


def test_hostile_nesting_is_survived():
    with pytest.raises(BadAnswer):
        parse_json("[" * 100_000)
    assert list(json_values("{" * 50_000)) == []


def test_thoughts_go():
    assert without_thoughts("<think>a</think> b <thinking>c</thinking>d") == "b d"


CODE = "def f():\n    return 1\n"


@pytest.mark.parametrize(
    "text",
    [
        f"```python path=src/a.py\n{CODE}```",
        f'```python title="src/a.py"\n{CODE}```',
        f"```python:src/a.py\n{CODE}```",
        f"```src/a.py\n{CODE}```",
        f"```python src/a.py\n{CODE}```",
        f"```python\n# src/a.py\n{CODE}```",
        f"```python\n# File: src/a.py\n\n{CODE}```",
        f"```python\n# ./src/a.py\n{CODE}```",
        f"**src/a.py**\n```python\n{CODE}```",
        f"**`src/a.py`**:\n\n```python\n{CODE}```",
        f"### `src/a.py`\n```\n{CODE}```",
        f"#### 1. src/a.py (new)\n```\n{CODE}```",
        f"FILE: src/a.py\n```python\n{CODE}```",
        f"Here is the updated `src/a.py`:\n\n```python\n{CODE}```",
        f"File: src/a.py\n{CODE}",
        f"~~~python\n# src/a.py\n{CODE}~~~",
        "1. Do it:\n\n   ```python\n   # src/a.py\n   def f():\n       return 1\n   ```",
        '{"path": "src/a.py", "content": "def f():\\n    return 1\\n"}',
        '```json\n{"files": [{"path": "src/a.py", "content": "def f():\\n    return 1\\n"}]}\n```',
    ],
)
def test_code_and_its_path_are_found_in_many_shapes(text):
    (block,) = code_blocks(text)
    assert (block.path, block.code.strip()) == ("src/a.py", CODE.strip())


def test_a_fence_inside_a_longer_fence_is_content():
    (block,) = code_blocks("````md\n<!-- docs/a.md -->\n# A\n```python\nx = 1\n```\n````")
    assert block.path == "docs/a.md"
    assert "```python\nx = 1\n```" in block.code


def test_commands_to_try_are_no_code():
    assert [block.path for block in code_blocks(f"```bash\npytest\n```\n\n```python\n# a.py\n{CODE}```")] == ["a.py"]


def test_an_open_fence_is_incomplete():
    first, last = code_blocks(f"```python\n# a.py\n{CODE}```\n```python\n# b.py\ndef g(")
    assert (first.complete, last.complete, last.path) == (True, False, "b.py")


def test_special_file_names_are_paths():
    assert code_blocks("```dockerfile\n# Dockerfile\nFROM x\n```")[0].path == "Dockerfile"
    assert code_blocks("**.gitignore**\n```\n*.pyc\n```")[0].path == ".gitignore"


def test_an_ordinary_comment_is_no_path():
    (block,) = code_blocks(f"```python\n# returns one\n{CODE}```")
    assert block.path == ""
    assert "# returns one" in block.code


@pytest.mark.parametrize("text", ["```diff\n-a\n+b\n```", "```\n--- a/x.py\n+++ b/x.py\n```"])
def test_diffs_are_known_as_such(text):
    assert is_diff(code_blocks(text)[0])
