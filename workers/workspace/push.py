"""Judge how a push ended by what git and the other side said: no process is started here."""

import re
from dataclasses import dataclass

from app.errors import GitError, PushRejected, Transient
from workers.workspace.command import Output, failure

_MOVED = re.compile(
    r"stale info|fetch first|non-fast-forward|failed to update ref|incorrect old value|cannot lock ref"
    r"|already exists|reference already|is at [0-9a-f]+ but expected|failed to lock",
    re.IGNORECASE,
)
_WORKFLOWS = re.compile(r"workflows?`? permission|workflows?`? scope|without `workflows?`", re.IGNORECASE)


@dataclass(frozen=True)
class Refusal:
    """Why the other side didn't take a branch."""

    reason: str

    @property
    def moved(self) -> bool:
        """Whether the branch wasn't where it was expected."""
        return bool(_MOVED.search(self.reason))


def refusal(output: Output) -> Refusal | None:
    """Find the refusal of the one branch in the output of `git push --porcelain`; None when it was taken.

    Raises `Transient` or `GitError` when the push ended before the branch was judged.
    """
    if output.code == 0:
        return None
    for line in output.text.splitlines():
        if line.startswith("!"):
            return Refusal(line.split("\t")[-1].strip() + _remarks(output.stderr))
    raise failure("push", output.stderr or output.text)


def error(branch: str, refused: Refusal) -> GitError | Transient:
    """Turn a refusal into the error that says what to do."""
    if _WORKFLOWS.search(refused.reason):
        return GitError(
            f"GitHub refused {branch}: it changes files in .github/workflows, for which this app has no"
            " permission. A person must make that change, or give the app the permission 'Workflows'."
        )
    if refused.moved:
        return PushRejected(f"{branch} isn't where it was expected: {refused.reason}")
    return GitError(f"The push to {branch} was refused: {refused.reason}")


def _remarks(stderr: str) -> str:
    remarks = [line.removeprefix("remote:").strip() for line in stderr.splitlines() if line.startswith("remote:")]
    said = " ".join(remark for remark in remarks if remark)
    return f" ({said})"[:1000] if said else ""
