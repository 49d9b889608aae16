"""The present moment."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The present moment, timezone-aware, in UTC."""

    def __call__(self) -> datetime: ...
