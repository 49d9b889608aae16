"""How a repository wants work to look: style of commits, their sign-off, template of pull requests. Pure."""

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from app.domain.outputs import Output, apart
from app.domain.repository_settings import CommitStyle, RepositorySettings

TEMPLATE_NAMES = frozenset({"pull_request_template.md", "pull_request_template.txt", "pull_request_template"})
TEMPLATE_FOLDERS = (".github/", "", "docs/")
DCO = ".github/dco.yml"  # the DCO app's own settings
CONTRIBUTING = (
    "CONTRIBUTING.md",
    ".github/CONTRIBUTING.md",
    "docs/CONTRIBUTING.md",
    "CONTRIBUTING.rst",
    "CONTRIBUTING",
)
LARGEST_TEMPLATE = 10_000  # characters
FEWEST_SUBJECTS = 3  # fewer show no habit

_CONVENTIONAL = re.compile(
    r"^(build|chore|ci|docs|feat|fix|perf|refactor|revert|style|test)(\([^()\s]+\))?!?: \S", re.IGNORECASE
)
_FIXING = re.compile(r"\b(bug|fix|bugfix|defect|regression|crash)\b", re.IGNORECASE)
_TESTS = re.compile(
    r"(^|/)(tests?|specs?|__tests__)/|(^|/)test_[^/]*$|(_test|_spec|\.test|\.spec)\.[^/]+$", re.IGNORECASE
)


class Ways(BaseModel):
    """A repository's ways, as they were when the issue was read."""

    model_config = ConfigDict(frozen=True)

    conventional: bool = False  # subjects and titles begin with feat:, fix: and the like
    fixing: bool = False  # the labels say that it is about something broken
    sign_off: bool = False  # commits end in Signed-off-by
    template: str = ""  # of pull requests
    mistakes: str = ""  # one sentence on what is wrong with .github/aurora.yml, and what is in force instead


def is_conventional(subjects: Sequence[str]) -> bool:
    """Tell whether most of these commits are named in the conventional way."""
    fitting = sum(bool(_CONVENTIONAL.match(subject)) for subject in subjects)
    return len(subjects) >= FEWEST_SUBJECTS and fitting * 3 >= len(subjects) * 2


def wants_conventional(settings: RepositorySettings, subjects: Sequence[str]) -> bool:
    """Tell how commits are to be named, by the settings or by the last ones."""
    auto = settings.commits is CommitStyle.auto
    return is_conventional(subjects) if auto else settings.commits is CommitStyle.conventional


def is_about_a_fix(labels: Sequence[str]) -> bool:
    """Tell whether an issue's labels say that something is broken."""
    return any(_FIXING.search(re.sub(r"[_:/-]", " ", label)) for label in labels)


def template_path(paths: Sequence[str]) -> str | None:
    """Return where the pull-request template is: the first of those that GitHub would take."""
    for folder in TEMPLATE_FOLDERS:
        for path in sorted(paths):
            inside = path.casefold().removeprefix(folder)
            if path.casefold().startswith(folder) and inside in TEMPLATE_NAMES:
                return path
    return None


def subject(title: str, ways: Ways, changed: Sequence[str]) -> str:
    """Return the first line of a commit, or the title of a pull request, for work on the `changed` paths."""
    if not ways.conventional or _CONVENTIONAL.match(title):
        return title
    return f"{_kind(ways, changed)}: {_lowered(title)}"


def _kind(ways: Ways, changed: Sequence[str]) -> str:
    outputs = set(apart(changed))
    if outputs == {Output.documentation}:
        return "docs"
    if changed and all(_TESTS.search(path) for path in changed):
        return "test"
    if ways.fixing:
        return "fix"
    return "chore" if outputs == {Output.configuration} else "feat"


def _lowered(title: str) -> str:
    """Begin with a small letter, unless the first word is a name or an abbreviation."""
    first = title.split(" ", 1)[0]
    return title if first[1:] != first[1:].lower() or len(first) < 2 else first.lower() + title[len(first) :]
