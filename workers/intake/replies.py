"""Answers at once: what only has to be looked up is said without waiting for Maestro, who may be asking a model."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid5

from app.domain.commands import Asked, Misread, Name, Said
from app.domain.conversation import questions
from app.domain.ports import Clock, Forge
from app.domain.project import Project
from app.errors import Transient
from app.github import answers
from app.github.explaining import explain
from app.github.markdown import code
from app.storage.leases import Leases
from app.storage.projects import ProjectReader
from workers.intake.telling import NAMESPACE, Remark

AGAIN = 2.0  # seconds until a comment that somebody else is answering is looked at again


def answered_here(said: Said, project: Project | None) -> bool:
    """Tell whether something needs no Maestro: a question, what can't be read, and anything where there is no run."""
    return project is None or isinstance(said, Misread) or said.name in questions()


@dataclass(frozen=True)
class Replies:
    """Answers comments, each once."""

    reader: ProjectReader
    leases: Leases
    clock: Clock
    label: str
    web_url: str

    async def reply(
        self, forge: Forge, project: Project | None, remark: Remark, found: Sequence[Said], none: str
    ) -> None:
        """Answer what needs no Maestro in one comment; `none` is said where there is no run.

        What was answered before, and stands in the comment still after an edit, is left out. Raises `Transient` while
        somebody else is at it.
        """
        here = {_marker(remark, one): one for one in found if answered_here(one, project)}
        if not here:
            return
        async with self.leases.hold(uuid5(NAMESPACE, f"reply:{remark.comment}"), "reply") as lease:
            if lease is None:
                raise Transient("Somebody else is answering this comment.", AGAIN)
            new = [marker for marker in here if await forge.find_comment(remark.number, marker) is None]
            if new:
                said = [await self._answer(project, here[marker], none) for marker in new]
                await forge.comment(remark.number, "\n\n".join(["\n".join(new), *dict.fromkeys(said)]))

    async def _answer(self, project: Project | None, said: Said, none: str) -> str:
        if isinstance(said, Misread):
            return said.problem
        if said.name is Name.help:
            return answers.help_(self.label)
        if project is None:
            return none
        return await self._tell(project, said)

    async def _tell(self, project: Project, asked: Asked) -> str:
        tasks = await self.reader.tasks(project.id)
        match asked.name:
            case Name.status:
                url = f"{self.web_url}/{project.repository.full_name}"
                return answers.status(project, tasks, self.clock(), repository_url=url)
            case Name.plan:
                return answers.plan(project, tasks)
            case Name.explain:
                return explain(project, await self.reader.checks(project), asked.argument)
            case _:
                raise AssertionError(f"{asked.name} is Maestro's to answer")


def _marker(remark: Remark, said: Said) -> str:
    """Return what hides in the answer to one command of a comment."""
    digest = hashlib.sha256(repr(said).encode()).hexdigest()[:12]
    return f"<!-- aurora:reply {remark.comment} {digest} -->"


def no_run(label: str, *, on_pull_request: bool) -> str:
    """Say that there is nothing to command."""
    return answers.NOT_MINE if on_pull_request else answers.NO_RUN.format(label=code(label, 60))
