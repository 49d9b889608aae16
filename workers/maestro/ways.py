"""Read what a repository says of itself: its settings, the branch that work goes to, and how it wants work to look."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.ports import Clone, InForce
from app.domain.project import Project
from app.domain.repository_settings import (
    PATH,
    CommitStyle,
    RepositorySettings,
    SettingsError,
    parse_settings,
    problem_with,
)
from app.domain.ways import (
    CONTRIBUTING,
    DCO,
    LARGEST_TEMPLATE,
    Ways,
    is_about_a_fix,
    template_path,
    wants_conventional,
)
from app.github import mistakes
from workers.maestro.context import Context
from workers.publish import publish_mistakes

SUBJECTS = 30  # commits that show how a repository names them


@dataclass(frozen=True)
class House:
    """A repository as a run finds it."""

    settings: RepositorySettings
    base_branch: str
    base: str  # its head
    ways: Ways
    kept: tuple[InForce, ...]  # to be written: the settings, where they could be read


async def look_around(ctx: Context, clone: Clone, default_branch: str, labels: Sequence[str]) -> House | None:
    """Return what holds for work on an issue with these labels; None where the repository is empty."""
    default = await clone.head(default_branch)
    if default is None:
        return None
    try:
        settings, wrong = await _settings(clone, default), ""
        kept: tuple[InForce, ...] = (InForce(default, settings),)
    except SettingsError as error:
        last = await ctx.records.in_force()
        settings, since, kept = (last.settings, last.commit, ()) if last else (RepositorySettings(), None, ())
        wrong = mistakes.sentence(error.problems, since)
        await publish_mistakes(ctx.effects, ctx.forge, default, error.problems, since, ctx.clock)
    wanted = settings.base or default_branch
    base = await clone.head(wanted)
    branch = wanted if base else default_branch  # the branch of the last good settings may be gone
    ways = await _ways(clone, default, base or default, settings, labels)
    return House(settings, branch, base or default, ways.model_copy(update={"mistakes": wrong}), kept)


async def _settings(clone: Clone, commit: str) -> RepositorySettings:
    """Read `.github/aurora.yml`, the defaults without one; raises `SettingsError`."""
    content = await clone.read(commit, PATH)
    if content is None:
        return RepositorySettings()
    text = content.decode(errors="replace")
    settings = parse_settings(text)
    if settings.base and await clone.head(settings.base) is None:
        raise SettingsError((problem_with(text, "base", "There is no such branch"),))
    return settings


async def _ways(clone: Clone, default: str, base: str, settings: RepositorySettings, labels: Sequence[str]) -> Ways:
    paths = await clone.files(default)
    subjects = await clone.subjects(base, SUBJECTS) if settings.commits is CommitStyle.auto else []
    template = template_path(paths)
    return Ways(
        conventional=wants_conventional(settings, subjects),
        fixing=is_about_a_fix(labels),
        sign_off=await _signs_off(clone, default, paths) if settings.sign_off == "auto" else settings.sign_off,
        template=(await _text(clone, default, template))[:LARGEST_TEMPLATE] if template else "",
    )


async def _signs_off(clone: Clone, commit: str, paths: Sequence[str]) -> bool:
    """Tell whether the repository asks for a sign-off."""
    guides = [path for path in CONTRIBUTING if path in set(paths)]
    asked = [path for path in guides if "signed-off-by" in (await _text(clone, commit, path)).lower()]
    return DCO in paths or bool(asked)


async def _text(clone: Clone, commit: str, path: str) -> str:
    return (await clone.read(commit, path) or b"").decode(errors="replace")


async def settings_for(clone: Clone, project: Project) -> RepositorySettings:
    """Return the settings for all that the work has changed: those of a section where it lies in one."""
    if not project.settings.paths:
        return project.settings
    changed = await clone.changes(project.base_sha or "", project.head_sha or "")
    return project.settings.concerning([change.path for change in changed])
