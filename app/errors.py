"""The errors that cross a boundary between packages; each message is a sentence that says what to do."""

import errno


class AuroraError(Exception):
    """Anything that the system expects to go wrong; its message may be shown to a person."""


class Transient(AuroraError):
    """Trying again later may work: the network, a 5xx, a rate limit."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """Say what happened; `retry_after` is in seconds when the other side named it."""
        super().__init__(message)
        self.retry_after = retry_after


class RateLimited(Transient):
    """GitHub, or the pace that it asks for, wants a wait; nothing was done, and nothing is wrong."""


class DiskFull(Transient):
    """This machine's disk, or our share of it, is full; somebody makes room, or retention does."""


def is_disk_full(error: BaseException) -> bool:
    """Tell whether the system refused a write for want of room."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


class ModelUnavailable(Transient):
    """The model could not be reached, or did not answer, in all the tries that one call gets."""


class ConfigurationError(AuroraError):
    """A setting is missing or wrong; the message names it and what to write."""


class LeaseLost(AuroraError):
    """Another worker has taken over; whatever this one was about to write must not be written."""


class BudgetExceeded(AuroraError):
    """The next call could cost more than is left."""

    def __init__(self, refusal: object) -> None:
        """Keep which cap refused it (an `app.domain.budget.Refusal`) for whoever pauses the project."""
        super().__init__(str(refusal))
        self.refusal = refusal


class ProjectHeld(AuroraError):
    """The project is paused: no call is begun for it before somebody, or another day, lets it go on."""


class ForgeError(AuroraError):
    """GitHub refused a request, and trying the same again won't help."""

    def __init__(self, message: str, status: int = 0) -> None:
        """Keep the HTTP status for callers that tell refusals apart."""
        super().__init__(message)
        self.status = status


class NotFound(ForgeError):
    """GitHub has no such thing, or the app may not see it."""


class GitError(AuroraError):
    """A git command failed; the message is git's own, without secrets."""


class PushRejected(GitError):
    """The branch on the other side isn't where it was expected (compare-and-swap failed)."""


class MergeConflict(GitError):
    """Two branches changed the same lines."""

    def __init__(self, message: str, paths: tuple[str, ...] = ()) -> None:
        """Name the paths in conflict."""
        super().__init__(message)
        self.paths = paths


class SandboxUnavailable(AuroraError):
    """This machine can't run untrusted code safely; the message says what was tried."""


class EnvironmentFailed(AuroraError):
    """The target repository's dependencies could not be installed."""


class ModelError(AuroraError):
    """The model can't be used: refused, unpriced, misconfigured."""


class BadAnswer(AuroraError):
    """The model answered, but not in a form that can be used; the message is for the model."""
