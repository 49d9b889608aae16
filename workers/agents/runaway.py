"""Notice that an agent goes in circles, long before its limits or the money are used up. Pure."""

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field

from workers.agents.limits import Limits

NUMBERS = re.compile(r"\d+")
FAILED_COMMAND = re.compile(r"\((?:exit code [1-9]\d*|stopped after \d+ seconds)\)\s*$")
LONGEST_PERIOD = 200  # characters of what an answer without end repeats
REPEATED = 300  # characters at the end that repeat a shorter text


@dataclass
class Watch:
    """Remembers what a visit did, replayed or not; each method says which loop it sees, or nothing."""

    limits: Limits
    _actions: list[str] = field(default_factory=list)  # since the files changed
    _errors: Counter[str] = field(default_factory=Counter)
    _trees: Counter[str] = field(default_factory=Counter)
    _idle: int = 0  # answers since the files changed
    _endless: int = 0

    def answered(self, text: str, *, cut_off: bool, writes: bool) -> str:
        """Look at an answer; `writes` tells whether this agent may change files at all."""
        self._idle += 1
        self._endless += cut_off and repeats_itself(text)
        if self._endless >= self.limits.endless:
            return f"{self._endless} answers repeated the same words until they were cut off."
        if writes and self._idle > self.limits.idle_steps:
            return f"{self.limits.idle_steps} answers in a row changed no file."
        return ""

    def acted(self, fingerprint: str, text: str, *, ok: bool, patch: bytes | None) -> str:
        """Look at an action and what came of it; `patch` is what the files became, where they changed."""
        if patch is not None:
            self._idle = 0
            self._actions.clear()
            return self._came_back(patch)
        self._actions.append(fingerprint)
        return self._same_error(text, ok=ok) or self._cycle()

    def _came_back(self, patch: bytes) -> str:
        tree = hashlib.sha256(patch).hexdigest()
        self._trees[tree] += 1
        if self._trees[tree] > self.limits.returns:
            return f"The same changes were made and undone again {self._trees[tree]} times."
        return ""

    def _same_error(self, text: str, *, ok: bool) -> str:
        if ok and not FAILED_COMMAND.search(text):
            return ""
        error = NUMBERS.sub("0", text)[-2_000:]  # line numbers and times differ
        self._errors[error] += 1
        if self._errors[error] < self.limits.same_errors:
            return ""
        first = text.strip().splitlines()[0][:200] if text.strip() else "nothing was said"
        return f"The same error came {self._errors[error]} times: {first}"

    def _cycle(self) -> str:
        for period in range(2, self.limits.cycle + 1):
            tail = self._actions[-period * self.limits.cycles :]
            if len(tail) == period * self.limits.cycles and tail == tail[:period] * self.limits.cycles:
                return f"The same {period} actions came {self.limits.cycles} times in turn and changed nothing."
        return ""


def repeats_itself(text: str) -> bool:
    """Tell whether a text ends with the same words over and over."""
    text = text.rstrip()
    for period in range(1, LONGEST_PERIOD + 1):
        times = max(10, -(-REPEATED // period))
        if len(text) >= period * times and text.endswith(text[-period:] * times):
            return True
    return False
