"""A tool that breaks over an action: it costs that action and is told and recorded, and the task goes on."""

import errno
import logging
import traceback
from collections.abc import Awaitable

from app.domain.recovery import MOST_TRACE
from app.errors import AuroraError
from workers.agents.guard import Refused
from workers.agents.tools import Outcome

# What ails this machine and not the action: a path that is too long stays so, a disk that is full doesn't.
MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})

log = logging.getLogger(__name__)


async def unbroken(name: str, performing: Awaitable[Outcome]) -> Outcome:
    """Return what an action answers, or that its tool broke over it; raises `Refused` and what ails the machine."""
    try:
        return await performing
    except (Refused, AuroraError):
        raise
    except OSError as error:
        if error.errno is None or error.errno in MACHINE:
            raise
        return _broken(name, error, error.strerror or type(error).__name__)
    except Exception as error:  # noqa: BLE001 - the boundary of an action, whose arguments are a model's
        return _broken(name, error, type(error).__name__)


def _broken(name: str, error: Exception, why: str) -> Outcome:
    log.warning("a tool broke", extra={"tool": name}, exc_info=error)
    trace = "".join(traceback.format_exception(error))[-MOST_TRACE:]
    # It may have written before it broke: the tree is looked at.
    text = f"The tool {name} broke over this ({why}). Do it differently, or with another tool."
    return Outcome(text, ok=False, touched=True, broken=trace)
