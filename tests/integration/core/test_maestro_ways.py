"""What a repository says of itself is in force, and mistakes in it are told where they are; its ways are kept."""

from app.domain.ports import Step
from app.domain.project import ProjectStatus
from app.domain.repository_settings import LabelSettings, MergePolicy, RepositorySettings
from tests.fakes import MAIN, SIGNED_OFF, write
from tests.integration.core.world import ISSUE, REPOSITORY, World, plan, planned, reword


def add(world: World, files: dict[str, str], message: str = "Configure", branch: str = MAIN) -> None:
    """Commit files onto a branch."""
    before = world.git.remote.get(branch) or world.git.remote[MAIN]
    world.git.remote[branch] = world.git.commit({**world.git.commits[before].files, **files}, [before], message)


async def in_force(world: World) -> tuple[str, RepositorySettings] | None:
    """Return the settings that are kept for the repository, and their commit."""
    row = await world.pool.fetchrow("SELECT repository, commit_sha, settings FROM repository_settings")
    if row is None:
        return None
    assert row["repository"] == REPOSITORY.full_name
    return row["commit_sha"], RepositorySettings.model_validate(row["settings"])


def wrong_settings(world: World) -> list[tuple[str, str]]:
    """Return conclusion and title of each check run about the settings."""
    return [(run.conclusion, run.title) for run in world.forge.checks if run.name == "aurora / settings"]


async def test_the_last_good_settings_stay_in_force(world: World):
    """A mistake made by somebody doesn't undo what was decided; it is told at its line."""
    good = RepositorySettings(merge=MergePolicy.auto, labels=LabelSettings(done="shipped"))
    await world.pool.execute(
        "INSERT INTO repository_settings VALUES ($1, $2, $3)",
        REPOSITORY.full_name,
        "c0ffee" * 6,
        good.model_dump(mode="json"),
    )
    world.configure("merge: never\nmax_attempts: many\n")
    project = await world.start()
    assert project.status is ProjectStatus.merged
    assert project.settings == good
    assert wrong_settings(world) == [("failure", "1 mistake in .github/aurora.yml")]
    (run,) = [run for run in world.forge.checks if run.name == "aurora / settings"]
    assert run.head_sha == project.base_sha
    assert [(note.path, note.line) for note in run.annotations] == [(".github/aurora.yml", 2)]
    told = "the last good settings, of c0ffeec0ffee, stay in force"
    assert told in project.notes[0]
    assert told in world.comments("progress")[0]
    (pull,) = world.forge.pulls.values()
    assert told in pull.body.partition("### What a reviewer should know")[2]
    assert await in_force(world) == ("c0ffee" * 6, good)


async def test_a_good_file_is_in_force_from_then_on(world: World):
    """Also where a mistake was before; nothing is left to be told."""
    await world.pool.execute(
        "INSERT INTO repository_settings VALUES ($1, $2, $3)", REPOSITORY.full_name, "c0ffee" * 6, {"merge": "auto"}
    )
    world.configure("merge: never\n")
    project = await world.start()
    assert project.notes == ()
    assert wrong_settings(world) == []
    assert await in_force(world) == (project.base_sha, RepositorySettings(merge=MergePolicy.never))


async def test_what_an_earlier_version_kept_and_this_one_doesn_t_know_counts_as_nothing(world: World):
    """Then the defaults are in force."""
    await world.pool.execute(
        "INSERT INTO repository_settings VALUES ($1, $2, $3)", REPOSITORY.full_name, "c0ffee" * 6, {"gone": "auto"}
    )
    world.configure("merge: [\n")
    project = await world.start()
    assert "the defaults are in force" in project.notes[0]


async def test_a_mistake_is_told_once_however_often_the_job_dies(world: World):
    """The check run is found again by a worker that comes after."""
    world.configure("max_attempts: many\n")
    world.dies_after = 1
    await world.label()
    await world.until_settled()
    assert len(wrong_settings(world)) == 1
    world.assert_nothing_doubled()


async def test_work_starts_from_and_goes_to_the_branch_that_is_named(world: World):
    """The default branch is left alone; the settings are those of the default branch."""
    world.configure("base: develop\nmerge: auto\nmerge_method: merge\n")
    before = world.git.remote[MAIN]
    add(world, {"dev.py": "D = 1\n"}, branch="develop")
    project = await world.start()
    assert project.status is ProjectStatus.merged
    assert project.base_branch == "develop"
    assert [pull.base for pull in world.forge.pulls.values()] == ["develop"]
    assert "dev.py" in world.git.commits[world.git.remote["develop"]].files
    assert "one.py" in world.git.commits[world.git.remote["develop"]].files
    assert world.git.remote[MAIN] == before
    assert world.issue_state == "closed"
    assert [method for *_, method in world.forge.merges] == ["merge"]


async def test_a_base_that_doesn_t_exist_is_a_mistake_of_the_settings(world: World):
    """It is named with its line, and work goes to the default branch."""
    world.configure("merge: auto\nbase: nowhere\n")
    project = await world.start()
    assert project.base_branch == MAIN
    assert "Line 2, `base`: There is no such branch." in project.notes[0]


async def test_a_merge_method_that_isn_t_allowed_gives_way_to_one_that_is(world: World):
    """GitHub would refuse it."""
    world.configure("merge: auto\nmerge_method: rebase\n")
    await world.start()
    assert [method for *_, method in world.forge.merges] == ["squash"]


async def test_every_commit_is_signed_off_where_contributing_asks_for_it(world: World):
    """Those of tasks and the merges that bring them together."""
    add(world, {"CONTRIBUTING.md": "Each commit needs a `Signed-off-by:` line.\n"})
    known = set(world.git.commits)
    world.thinker.answers[Step.plan] = plan(planned("a", "a.py"), planned("b", "b.py"))
    await world.start()
    made = [world.git.commits[sha].message for sha in set(world.git.commits) - known]
    assert len(made) >= 3
    assert all(message.endswith(SIGNED_OFF) for message in made)


async def test_subjects_and_title_are_conventional_where_the_last_commits_are(world: World):
    """What kind of change it is comes from the issue's labels and from what was changed."""
    for number, subject in enumerate(("feat: a", "fix(x): b", "docs: c")):
        add(world, {f"file{number}.txt": "x"}, subject)
    reword(world, labels=("aurora", "bug"))
    world.thinker.answers[Step.plan] = plan(planned("one", "one.py"))
    project = await world.start()
    (pull,) = world.forge.pulls.values()
    assert pull.title == "fix: add the wished for thing"
    assert world.git.commits[project.head_sha or ""].message.startswith("fix: do one\n")


async def test_the_pull_request_has_the_form_of_the_repository_s_template(world: World):
    """As the default branch has it."""
    add(world, {".github/PULL_REQUEST_TEMPLATE.md": "## Summary\n<!-- words -->\n## Ticket\nCloses #\n"})
    await world.start()
    (pull,) = world.forge.pulls.values()
    assert pull.body.index("## Summary") < pull.body.index("REQ-001") < pull.body.index("## Ticket")
    assert f"## Ticket\n\nCloses #{ISSUE}, as" in pull.body


SECTIONS = "checkpoints: {tests: all}\npaths:\n  api/**:\n    checkpoints: {tests: some}\n"


async def test_a_change_in_one_section_is_judged_by_the_section_s_commands(world: World):
    """Its own task's verdict is the combination's."""
    world.configure(SECTIONS)
    world.thinker.answers[Step.plan] = plan(planned("one", "api/**"))
    world.deeds[""] = write({"api/one.py": "X = 1\n"})
    await world.start()
    assert {commands.tests for commands in world.checkers.benches} == {"cd api && some"}


async def test_work_that_strayed_out_of_its_section_is_judged_again_by_the_whole_repository_s_commands(world: World):
    """Else a footprint would decide by what its own work is judged."""
    world.configure(SECTIONS)
    world.thinker.answers[Step.plan] = plan(planned("one", "api/**"))
    world.deeds[""] = write({"api/one.py": "X = 1\n", "core.py": "X = 1\n"})
    await world.start()
    assert [commands.tests for commands in world.checkers.benches][-1] == "all"
