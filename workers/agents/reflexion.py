"""What is learned from a failed attempt: a model's words, or the failures' own where no usable answer comes."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from app.domain.checks import CheckResult
from app.domain.ports import Call, Journal, Prompt, Step, Thinker
from app.errors import BadAnswer
from workers.agents.prompts import material, system_prompt
from workers.llm.fitting import clip

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
MAX_LOG = 3_000  # characters of a checkpoint's output
MAX_DIFF = 6_000
MAX_LESSON = 1_500


class Reflexion(BaseModel):
    """The answer of the reflect step."""

    model_config = ConfigDict(frozen=True)

    cause: Words
    lesson: Words

    def __str__(self) -> str:
        """Return it as it is handed to the next attempt."""
        return f"{self.cause} {self.lesson}"[:MAX_LESSON]


async def reflect(
    thinker: Thinker,
    call: Call,
    journal: Journal,
    *,
    task: str,
    failures: Sequence[CheckResult],
    diff: str,
    summary: str = "",
    lessons: Sequence[str] = (),
) -> str:
    """Return a lesson for the next attempt; `lessons` are those of the attempts before."""
    parts = [
        material("task", task),
        material("change", clip(diff, MAX_DIFF) or "(nothing was changed)"),
        *(material(str(failure.checkpoint), evidence(failure)) for failure in failures),
    ]
    if summary:
        parts.append(material("words of the agent", clip(summary, 1_000)))
    if lessons:
        parts.append(material("earlier lessons, which were not enough", "\n".join(f"- {lesson}" for lesson in lessons)))
    prompt = Prompt(system_prompt(Step.reflect), "\n\n".join(parts))
    try:
        return str(await thinker.answer(call, journal, Reflexion, prompt))
    except BadAnswer:
        return plain_lesson(failures)


def evidence(failure: CheckResult) -> str:
    """Return what a checkpoint found, as far as it helps to find the cause."""
    found = [
        f"{finding.path}:{finding.line}: {finding.code} {finding.message}".strip()
        for finding in failure.new_findings[:10]
    ]
    return "\n".join([failure.title, *found, clip(failure.log, MAX_LOG, keep_end=True)]).strip()


def plain_lesson(failures: Sequence[CheckResult]) -> str:
    """Return a lesson that says no more than what failed."""
    if not failures:
        return "The attempt ended without a usable change. Begin with the file that the task names."
    points = [
        f"{failure.checkpoint} failed ({failure.title})"
        + "".join(f"; {finding.path}:{finding.line} {finding.message}" for finding in failure.new_findings[:3])
        for failure in failures
    ]
    return f"{'. '.join(points)}. Read these places first and do it differently."[:MAX_LESSON]
