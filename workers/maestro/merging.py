"""Merge two commits; what both sides changed is resolved by a model, and nothing of either side is lost."""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from app.domain.ports import Clone, Conflicted, Step
from app.domain.project import Project
from app.domain.resolution import as_sides_write, lost
from app.domain.roles import AgentRole
from app.errors import BadAnswer, MergeConflict, ModelError
from app.github.markdown import code, inline
from workers import feedback
from workers.agents.guard import is_off_limits
from workers.agents.prompts import prompt_for
from workers.maestro.answers import MergeAnswer
from workers.maestro.context import Context
from workers.maestro.remember import resolved

log = logging.getLogger(__name__)

TRIES = 2
MOST_FILES = 8
MOST_CHARACTERS = 150_000  # of what is shown of all files together

LOSING = "Every resolution that was tried loses something of one side, so none was kept."
UNUSABLE = "There was no usable answer to how they fit together."
PROTECTED = "no agent may change it"
TOO_MUCH = "There is too much in conflict to resolve it without a person."


async def unite(ctx: Context, project: Project, clone: Clone, into: str, commit: str, message: str) -> str:
    """Return the merge of `commit` into `into`; raises `MergeConflict` where no resolution keeps both sides' changes.

    What was answered is in the journal under both commits: done again, here or elsewhere, it is the same merge.
    """
    try:
        return await clone.merge(into, commit, message)
    except MergeConflict:
        found = await clone.conflicts(into, commit)
    paths = tuple(one.path for one in found)
    if reason := _hopeless(found, project.settings.protected):
        raise MergeConflict(reason, paths)
    merging = _Merging(ctx, project, found, into, commit)
    try:
        files = await merging.resolve(await clone.words(into, commit), await clone.words(commit, into))
    except (BadAnswer, ModelError) as error:
        raise MergeConflict(f"{UNUSABLE} {inline(str(error))}", paths) from error
    head = await clone.resolve(into, commit, message, files)
    await ctx.records.write(resolved(project, commit, paths, ctx.clock()))
    log.info("a conflict was resolved", extra={"into": into, "commit": commit, "paths": paths})
    return head


def _hopeless(found: Sequence[Conflicted], protected: tuple[str, ...]) -> str | None:
    """Say why no model is asked; None where one is."""
    if guarded := [one for one in found if is_off_limits(one.path, protected)]:
        return " ".join(f"{code(one.path)} needs a person: {PROTECTED}." for one in guarded[:MOST_FILES])
    if obstacles := [one for one in found if one.obstacle]:
        return " ".join(f"{code(one.path)} needs a person: {one.obstacle}." for one in obstacles[:MOST_FILES])
    size = sum(len(text) for one in found for text in (one.base or "", one.ours, one.theirs))
    return TOO_MUCH if len(found) > MOST_FILES or size > MOST_CHARACTERS else None


class _Merging:
    """One conflict, and what a model makes of it."""

    def __init__(self, ctx: Context, project: Project, found: Sequence[Conflicted], into: str, commit: str) -> None:
        """Ask once for each pair of commits, and anew when a person has said more since."""
        self._ctx, self._project, self._found = ctx, project, found
        self._scope = f"merge.{into[:12]}.{commit[:12]}.{len(project.guidance)}"

    async def resolve(self, first: str, second: str) -> Mapping[str, str]:
        """Return the texts that settle it; raises `MergeConflict` when each that came loses something."""
        told = ""
        for number in range(1, TRIES + 1):
            call = self._ctx.call(Step.merge, f"{self._scope}.{number}", AgentRole.integration)
            prompt = prompt_for(Step.merge, AgentRole.integration, **self._material(first, second, told))
            answer = await self._ctx.thinker.answer(call, self._ctx.journal, MergeAnswer, prompt)
            files = _texts(self._found, answer)
            told = await asyncio.to_thread(_losses, self._found, files)  # takes a second where much was changed
            if not told:
                return files
            log.info("a resolution was refused", extra={"scope": call.scope, "why": told})
        raise MergeConflict(LOSING, tuple(one.path for one in self._found))

    def _material(self, first: str, second: str, told: str) -> dict[str, str]:
        """Return what is shown, what stays the same first."""
        shown = {
            "requirements": feedback.criteria(self._project.requirements),
            "guidance": "\n".join(self._project.guidance),
            "first change": first,
            "second change": second,
        }
        for number, one in enumerate(self._found, 1):
            shown |= {
                f"file {number}: path": one.path,
                f"file {number}: before both changes": one.base or "",
                f"file {number}: after the first change": one.ours,
                f"file {number}: after the second change": one.theirs,
            }
        return shown | {"why your last answer was refused": told}


def _texts(found: Sequence[Conflicted], answer: MergeAnswer) -> dict[str, str]:
    """Return what was answered for the files in conflict; anything else is none of its business."""
    given = {file.path.strip().strip("`").removeprefix("./"): file.content for file in answer.files}
    given |= {file.path: file.content for file in answer.files}
    if len(found) == len(answer.files) == 1:
        given[found[0].path] = answer.files[0].content
    return {
        one.path: as_sides_write(one.ours, one.theirs, given[one.path]) for one in found if one.path in given
    }  # fmt: skip


def _losses(found: Sequence[Conflicted], files: Mapping[str, str]) -> str:
    """Say what the answer loses, file by file; empty when it keeps everything."""
    problems = []
    for one in found:
        if one.path not in files:
            problems.append(f"{one.path}: it isn't in your answer.")
        else:
            problems += [f"{one.path}: {loss}" for loss in lost(one.base or "", one.ours, one.theirs, files[one.path])]
    return "\n".join(problems)
