"""A failed attempt leaves a lesson, whether or not a model finds words for it."""

from datetime import UTC, datetime
from uuid import uuid4

from app.domain.checks import Checkpoint, CheckResult, Conclusion, Finding
from app.domain.ports import Call, Step
from app.domain.roles import AgentRole
from app.errors import BadAnswer
from workers.agents.reflexion import Reflexion, reflect

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FAILURE = CheckResult(
    checkpoint=Checkpoint.tests,
    conclusion=Conclusion.failed,
    title="1 test failed",
    summary="",
    findings=(
        Finding(path="tests/test_a.py", line=3, code="test_add", message="assert 1 == 2"),
        Finding(path="tests/test_old.py", line=9, message="was red before", is_new=False),
    ),
    log="E   assert 1 == 2",
    started_at=NOW,
    completed_at=NOW,
)
CALL = Call(uuid4(), uuid4(), AgentRole.backend, Step.reflect, 1, "r0.a1.reflect")


class Says:
    """A thinker with one thing to say."""

    def __init__(self, answer):
        self.says, self.prompt = answer, None

    async def answer(self, call, journal, form, prompt):
        self.prompt = prompt
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


async def lesson(thinker):
    return await reflect(thinker, CALL, None, task="Add.", failures=[FAILURE], diff="+1", lessons=["Do not."])


async def test_the_models_words_are_the_lesson():
    thinker = Says(Reflexion(cause="Off by one.", lesson="Start at zero."))
    assert await lesson(thinker) == "Off by one. Start at zero."
    assert "tests/test_a.py:3: test_add assert 1 == 2" in thinker.prompt.user
    assert "red before" not in thinker.prompt.user
    assert "- Do not." in thinker.prompt.user


async def test_without_usable_words_the_failures_speak():
    text = await lesson(Says(BadAnswer("nothing")))
    assert "tests failed (1 test failed); tests/test_a.py:3 assert 1 == 2" in text
