"""A JavaScript repository at the checkpoints, with nothing installed and with its own tools."""

import shutil

import pytest

from app.domain.checks import Conclusion

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")

BASE = {
    "package.json": '{"name": "calc", "type": "module", "scripts": {"test": "node --test"}}\n',
    "calc.js": "export const add = (a, b) => a + b;\n",
    "test/calc.test.js": """import test, { describe } from 'node:test';
import assert from 'node:assert';
import { add } from '../calc.js';

test('adds', () => assert.equal(add(1, 2), 3));
describe('more', () => {
  test('zero', () => assert.equal(add(0, 0), 0));
});
""",
}


async def test_node_tests_pass_and_fail_one_by_one(bay):
    async with bay(BASE, {"calc.js": "export const add = (a, b) => a - b;\n"}) as it:
        tests = await it.bench.tests()
        assert tests.title == "1 of 2 tests fails", tests.summary
        assert [(f.path, f.line, f.code) for f in tests.new_findings] == [("test/calc.test.js", 5, "adds")]
        it.change({"calc.js": "export const add = (a, b) => b + a;\n"})
        assert (await it.bench.tests()).title == "2 tests passed"
        assert (await it.bench.syntax()).conclusion is Conclusion.passed
        types = await it.bench.types()
        assert types.conclusion is Conclusion.skipped
        assert "tsc" in types.summary


async def test_a_removed_or_skipped_test_is_missed(bay):
    skipped = BASE["test/calc.test.js"].replace("test('zero'", "test.skip('zero'")
    async with bay(BASE, {"test/calc.test.js": skipped}) as it:
        tests = await it.bench.tests()
    assert [f.code for f in tests.new_findings] == ["more > zero"]


async def test_a_file_that_does_not_load_fails(bay):
    async with bay(BASE, {"calc.js": "export const sum = 1;\n"}) as it:
        tests = await it.bench.tests()
    assert tests.conclusion is Conclusion.failed
    assert tests.new_findings


async def test_a_test_script_without_tests_is_none(bay):
    base = {"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}', "a.js": "1;\n"}
    async with bay(base, {"a.js": "2;\n"}) as it:
        tests = await it.bench.tests()
    assert tests.title == "No tests in this repository"


async def test_the_repository_s_own_tools_are_installed_and_used(registry, bay):
    base = {
        "package.json": '{"type": "module", "devDependencies": {"typescript": "^5", "oxlint": "^1"}}',
        "tsconfig.json": '{"compilerOptions": {"strict": true, "noEmit": true, "types": []}, "include": ["*.ts"]}',
        "a.ts": "export const a: number = 'old';\n",
    }
    async with bay(base, {"b.ts": "import { a } from './a.js';\nexport const b: string = a;\ndebugger;\n"}) as it:
        types, lint = await it.bench.types(), await it.bench.lint()
        assert [(f.path, f.line, f.code) for f in types.new_findings] == [("b.ts", 2, "TS2322")], types.summary
        assert lint.conclusion in {Conclusion.failed, Conclusion.passed}
        assert "oxlint" in lint.summary
        assert [change.path for change in await it.worktree.changes()] == ["b.ts"]
