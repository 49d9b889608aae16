"""What log files say: the output of checkpoints, and what an agent said and did; plain text, for people."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from app.domain.artifacts import artifact_id, artifact_url
from app.domain.checks import CheckResult, Conclusion
from app.domain.ports import Archive, Artifact, ArtifactKind, Call, Checked, Entry, EntryKind, Prompt, WorkResult

RULE = "-" * 100


async def with_logs(archive: Archive, project: UUID, checked: Sequence[Checked]) -> list[Checked]:
    """Return the facts with a build log for each."""
    return [await _with_log(archive, project, one) for one in checked]


async def _with_log(archive: Archive, project: UUID, checked: Checked) -> Checked:
    result = checked.result
    if result.conclusion is Conclusion.skipped:
        return checked
    if checked.commit is None:
        judged = title = f"attempt {checked.attempt} of round {(checked.round or 0) + 1}, which failed"
        name = _name(f"{checked.task_id}:r{checked.round}.a{checked.attempt}", result)
    else:
        judged, title = f"commit {checked.commit}", checked.commit[:12]
        name = _name(checked.commit, result)
    title = f"{result.checkpoint.check_name} on {title}"
    text = build_log(judged, result)
    return replace(checked, log=await archive.keep(project, ArtifactKind.build_log, name, title, text, checked.task_id))


def build_log_url(public_url: str | None, project: UUID, commit: str, result: CheckResult) -> str | None:
    """Return where the build log of a result can be read, or will be."""
    if public_url is None or result.conclusion is Conclusion.skipped:
        return None
    return artifact_url(public_url, project, artifact_id(project, ArtifactKind.build_log, _name(commit, result)))


def _name(judged: str, result: CheckResult) -> str:
    return f"{judged}:{result.checkpoint.value}"


def build_log(judged: str, result: CheckResult) -> str:
    """Return a checkpoint's whole word on what it judged, a commit or an attempt."""
    seconds = (result.completed_at - result.started_at).total_seconds()
    found = [
        f"{one.path}:{one.line}: {one.message}{f' [{one.code}]' if one.code else ''}"
        f"{'' if one.is_new else ' (was there before)'}"
        for one in result.findings
    ]
    parts = [
        f"{result.checkpoint.check_name}: {result.conclusion.value}\n{result.title}\n"
        f"{judged}\n{result.started_at:%Y-%m-%d %H:%M:%S} UTC, {seconds:.1f} s",
        result.summary,
        "\n".join(found),
        f"{RULE}\n{result.log}" if result.log.strip() else "",
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


async def keep_agent_log(
    archive: Archive, call: Call, title: str, prompt: Prompt, entries: Sequence[Entry], result: WorkResult
) -> list[Artifact]:
    """Keep what an agent said and did in a visit; return the fact of it, if there is one."""
    text = agent_log(title, call, prompt, entries, result)
    kept = await archive.keep(
        call.project_id, ArtifactKind.agent_log, f"{call.task_id}:{call.scope}", title, text, call.task_id
    )
    return [kept] if kept else []


def agent_log(title: str, call: Call, prompt: Prompt, entries: Sequence[Entry], result: WorkResult) -> str:
    """Return a visit as a conversation."""
    parts = [f"{title}\n{call.role.value}, {call.step.value}, attempt {call.attempt}, {call.scope}"]
    parts += [_part("instructions", prompt.system), _part("task", prompt.user)]
    parts += [part for entry in entries for part in _said(entry)]
    parts.append(_part(f"end: {result.end.value} after {result.steps} steps", result.summary))
    return "\n\n".join(parts) + "\n"


def _part(heading: str, text: str) -> str:
    return f"{RULE}\n{heading}\n{RULE}\n{text.strip()}"


def _said(entry: Entry) -> Iterator[str]:
    content = entry.content
    if entry.kind is EntryKind.tool:
        if "text" in content:
            yield _part(
                f"result of {content.get('name')}{'' if content.get('ok', True) else ' (failed)'}", content["text"]
            )
        return
    message = content.get("message", {}).get("data", {})
    yield _part("agent", "\n".join([*_words(message.get("content")), *_actions(message.get("tool_calls") or ())]))


def _words(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        yield from (str(part.get("text", "")) if isinstance(part, Mapping) else str(part) for part in content)


def _actions(calls: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for call in calls:
        yield f"→ {call.get('name')} {json.dumps(call.get('args'), ensure_ascii=False, indent=1)}"
