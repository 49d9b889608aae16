"""What an exception means for the work at hand, and that only our own words reach a person."""

import errno

import aiohttp
import asyncpg
import psycopg
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from app import errors
from app.domain.recovery import ErrorType
from workers.failures import FULL, MOST_RETRIES, classify

SECRET = "ghp_" + "a1B2" * 9


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.Transient("slow"), ErrorType.github),
        (errors.GitError("early EOF"), ErrorType.git),
        (asyncpg.CannotConnectNowError("starting up"), ErrorType.storage),
        (asyncpg.InterfaceError("pool is closed"), ErrorType.storage),
        (psycopg.OperationalError("server closed the connection"), ErrorType.storage),
        (RedisConnectionError("refused"), ErrorType.storage),
        (aiohttp.ServerDisconnectedError(), ErrorType.github),
        (TimeoutError(), ErrorType.timeout),
        (ConnectionResetError(), ErrorType.storage),
        (errors.DiskFull("git add failed: No space left on device."), ErrorType.storage),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), ErrorType.storage),
    ],
)
def test_what_may_pass_is_tried_again(error: Exception, kind: ErrorType):
    """Networks, stores and git."""
    failure = classify(error)
    assert (failure.error_type, failure.transient) == (kind, True)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.ModelError("The key was refused."), ErrorType.model),
        (errors.BudgetExceeded("Less than that is left."), ErrorType.budget),
        (errors.ForgeError("GitHub refused it.", 403), ErrorType.github),
        (errors.NotFound("There is none.", 404), ErrorType.github),
        (errors.SandboxUnavailable("Nothing works."), ErrorType.sandbox),
        (errors.EnvironmentFailed("pip failed."), ErrorType.sandbox),
        (errors.ConfigurationError("Set AURORA_MODEL."), ErrorType.internal),
    ],
)
def test_what_won_t_pass_is_told_in_its_own_words(error: Exception, kind: ErrorType):
    """Every error of ours is a sentence for a person."""
    failure = classify(error)
    assert (failure.error_type, failure.message, failure.transient) == (kind, str(error), False)


@pytest.mark.parametrize("error", [KeyError(SECRET), ZeroDivisionError(SECRET), LookupError(SECRET)])
def test_a_defect_says_no_more_than_its_name(error: Exception):
    """Its words may hold anything."""
    failure = classify(error)
    assert (failure.error_type, failure.transient) == (ErrorType.internal, False)
    assert SECRET not in failure.message


@pytest.mark.parametrize("kind", [OSError, asyncpg.PostgresError, psycopg.OperationalError, RedisConnectionError])
def test_the_words_of_drivers_reach_nobody(kind: type[Exception]):
    """They name hosts, users and statements."""
    assert SECRET not in classify(kind(SECRET)).message


def test_a_full_disk_is_waited_for_like_a_store_and_says_what_to_do():
    """A quarter of an hour, not three tries within seconds."""
    assert classify(OSError(errno.ENOSPC, SECRET)).message == FULL
    assert MOST_RETRIES[ErrorType.storage] > MOST_RETRIES[ErrorType.git]


def test_a_named_wait_is_kept():
    """A limit's end is known best by who set it."""
    assert classify(errors.Transient("slow", retry_after=90)).retry_after == 90
