"""What went wrong in a task's round, as it is stored: one error for each failure, however often a node runs."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from app.domain.checks import CheckResult
from app.domain.ports import Entry
from app.domain.recovery import MOST_TRACE, AgentError, ErrorType
from app.logs import redact
from workers.codegen.state import Context, State


def of_check(ctx: Context, state: State, failed: CheckResult, retry: int, most: int) -> AgentError:
    """Return the error that a failed checkpoint is; `retry` counts from 0 what was tried against it."""
    return AgentError(
        task_id=ctx.task.id,
        agent=ctx.task.assigned_agent,
        error_type=ErrorType(failed.checkpoint.value),
        message=redact(failed.title),
        stack_trace=redact(failed.log[-MOST_TRACE:]) or None,
        timestamp=max(failed.completed_at, _visited(ctx, state)),
        retry_count=retry,
        max_retries=most,
    )


def of_attempt(ctx: Context, state: State, failures: Sequence[CheckResult]) -> AgentError:
    """Return the error that ended an attempt: what the checkpoint found, or why the agent came to no change."""
    retry, most = state["attempt"] - 1, ctx.project.settings.max_attempts - 1
    if failures:
        return of_check(ctx, state, failures[0], retry, most)
    return AgentError(
        task_id=ctx.task.id,
        agent=ctx.task.assigned_agent,
        error_type=ErrorType.model,
        message=redact(state["report"].partition("\n")[0]),
        stack_trace=None,
        timestamp=_visited(ctx, state),
        retry_count=retry,
        max_retries=most,
    )


def of_tools(ctx: Context, entries: Sequence[Entry]) -> Iterator[AgentError]:
    """Yield the errors of tools that broke in a visit, by what is recorded of it; the same one again isn't another."""
    seen: set[str] = set()
    for entry in entries:
        if (broken := entry.content.get("broken")) and broken not in seen:
            seen.add(broken)
            yield AgentError(
                task_id=ctx.task.id,
                agent=ctx.task.assigned_agent,
                error_type=ErrorType.tool,
                message=redact(str(entry.content["text"])),
                stack_trace=redact(str(broken)),
                timestamp=entry.at or ctx.clock(),
                retry_count=0,
                max_retries=0,
            )


def _visited(ctx: Context, state: State) -> datetime:
    """Return when the last visit ended: saved, so a node that runs twice tells of one error.

    A result may be older: what was judged once is known, and the same tree may come again in a later visit.
    """
    saved = state.get("visited")
    return datetime.fromisoformat(saved) if saved else ctx.clock()
