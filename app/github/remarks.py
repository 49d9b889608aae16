"""What the app answers to remarks about its pull requests: one by one in their threads, or in one comment."""

from collections.abc import Sequence

from app.domain.concerns import Concern, ConcernKind, narrative, verdicts
from app.domain.task import Task, TaskStatus
from app.github.markdown import code, inline
from app.github.render import person

MOST_WORDS = 600  # characters of a reason
MOST_ASKED = 240  # characters of what is answered, where it isn't in sight
STOPPED = "work on it was stopped"
AGAIN_HERE = "Answer here with a hint, and I try again."
AGAIN = "Write `/aurora fix` with a hint, and I try again."


def answer(task: Task, concern: Concern) -> str:
    """Return what became of a concern whose task has ended."""
    result = task.result
    if task.status is not TaskStatus.completed or result is None:
        why = result.failure.strip().partition("\n")[0] if result and result.failure else STOPPED
        tried = f" The last try is on {code(task.branch, 80)}." if result and result.commit else ""
        again = AGAIN_HERE if concern.kind is ConcernKind.thread else AGAIN
        return f"I could not do this: {_sentence(why)}{tried} {again}"
    verdict = verdicts(result.summary, task.concerns)[concern.key]
    words = verdict.words or (narrative(result.summary) if len(task.concerns) == 1 else "")
    if not verdict.done:
        return f"I left this as it is: {_sentence(words)}" if words else "I left this as it is."
    commit = result.commit_for(concern.key)
    done = f"Done in {commit[:7]}" if commit else "Nothing had to change for this"
    return f"{done}: {_sentence(words)}" if words else f"{done}."


def answers(task: Task, concerns: Sequence[Concern]) -> str:
    """Return what became of concerns that have no thread to be answered in."""
    return "\n\n".join(
        f"> {person(concern.author)}: {inline(concern.text, MOST_ASKED)}\n\n{answer(task, concern)}"
        for concern in concerns
    )


def _sentence(words: str) -> str:
    shown = inline(words, MOST_WORDS)
    return shown if shown.endswith((".", "!", "?", "…")) else f"{shown}."
