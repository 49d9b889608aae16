"""What earlier projects teach the plan: recalled once, recorded before it is shown, and said to have been used."""

from dataclasses import dataclass
from uuid import UUID

from app.domain.memory import MARK, Kind, Question, Used, cited, describe
from app.domain.plan import Plan
from app.domain.ports import Clone, Entry, EntryKind
from app.domain.project import Project
from app.domain.roles import AgentRole
from workers.codegen.instructions import characters
from workers.maestro.context import Context

MEMORY_TOKENS = 250  # half of what an agent is told
KINDS = (Kind.conflict,)  # what decides how work is cut; the rest is for those who do it


@dataclass(frozen=True)
class Recalled:
    """What the planner is told of earlier work, each line with its mark."""

    ids: tuple[UUID, ...] = ()
    lines: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All of it, a line each."""
        return "\n".join(self.lines)

    def cited(self, plan: Plan) -> tuple[UUID, ...]:
        """Return what the plan's descriptions name as of help."""
        return cited("\n".join(task.description for task in plan.tasks), self.ids)


NOTHING = Recalled()


async def recall(ctx: Context, project: Project, clone: Clone, scope: str) -> Recalled:
    """Return what didn't fit together before, about what this project wants.

    Done again after a crash it is the same, whatever was learned meanwhile: it stands in the journal under `scope`.
    """
    place = f"{scope}.memory"
    if recorded := await ctx.journal.read(place):
        told = recorded[0].content["told"]
        return Recalled(tuple(UUID(one["id"]) for one in told), tuple(one["text"] for one in told))
    if await ctx.journal.read(f"{scope}.0"):
        return NOTHING  # the plan was asked for, without any
    found = await ctx.memories.recall(_question(project), clone)
    if not found:
        return NOTHING
    recalled = Recalled(
        tuple(memory.id for memory in found), tuple(describe(number, memory) for number, memory in enumerate(found, 1))
    )
    told = [{"id": str(one), "text": line} for one, line in zip(recalled.ids, recalled.lines, strict=True)]
    await ctx.journal.append(place, 0, Entry(EntryKind.memory, {"told": told}))
    return recalled


def _question(project: Project) -> Question:
    """Ask about what is wanted; which files that changes is what the plan is to say."""
    wanted = [project.title, *project.guidance]
    wanted += [line for item in project.requirements for line in (item.title, *item.criteria)]
    return Question(
        project.repository.full_name, project.id, AgentRole.maestro, "\n".join(wanted), (), project.base_sha or "",
        characters(MEMORY_TOKENS), KINDS,
    )  # fmt: skip


def uses(ctx: Context, project: Project, number: int, recalled: Recalled, named: tuple[UUID, ...]) -> list[Used]:
    """Return the fact of what the plan of this `number` was told: its task is the project itself."""
    if not recalled.ids:
        return []
    return [Used(project.id, number, AgentRole.maestro, recalled.ids, named, ctx.clock())]


def without_marks(plan: Plan) -> Plan:
    """Return the plan as its agents read it: they are told memories of their own, with other marks."""
    return Plan(
        tasks=tuple(
            task.model_copy(update={"description": MARK.sub("", task.description).strip()}) for task in plan.tasks
        )
    )
