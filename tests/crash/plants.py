"""Bugs to plant in a worker, each of which the harness must find."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Plant:
    """A bug, and how to put it into the process at hand."""

    story: str
    plant: Callable[[], None]


PLANTS: dict[str, Plant] = {}
