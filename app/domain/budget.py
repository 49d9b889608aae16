"""Money: what a model call may cost at most, and what it did cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict

MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens."""

    input: float
    output: float

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """Return US dollars."""
        return (input_tokens * self.input + output_tokens * self.output) / MILLION


FREE = Price(0.0, 0.0)


def worst_case(price: Price, prompt_bytes: int, max_output_tokens: int) -> float:
    """Return the most US dollars that a call can cost.

    Counted in bytes, since no tokenizer in use makes more than one token of a byte.
    """
    return price.cost(prompt_bytes, max_output_tokens)


EXACTLY = Decimal("1e-12")  # US dollars: what the tables hold without rounding


def exactly(usd: float) -> Decimal:
    """Return an amount as the tables hold it."""
    return Decimal(repr(usd)).quantize(EXACTLY)


class Cap(StrEnum):
    """What a sum of money is bounded for, narrowest first; every reservation has to fit under all of them."""

    call = "call"
    task = "task"
    project = "project"
    repository_day = "repository_day"
    day = "day"

    @property
    def renewed(self) -> bool:
        """Whether it holds for a day (by UTC), so that work goes on by itself when that is over."""
        return self in {Cap.repository_day, Cap.day}


WHOSE = {
    Cap.call: "a single call",
    Cap.task: "this task",
    Cap.project: "this run",
    Cap.repository_day: "this repository today (UTC)",
    Cap.day: "the whole installation today (UTC)",
}
SETTING = {
    Cap.call: "AURORA_BUDGET_CALL",
    Cap.task: "AURORA_BUDGET_TASK",
    Cap.project: "AURORA_BUDGET",
    Cap.repository_day: "AURORA_BUDGET_REPOSITORY_DAY",
    Cap.day: "AURORA_BUDGET_DAY",
}


@dataclass(frozen=True)
class Caps:
    """The operator's caps in US dollars besides that of each project; None: there is none."""

    call: float | None = None
    task: float | None = None
    repository_day: float | None = None
    day: float | None = None

    def purses(self, task: UUID | None, repository: str, day: str) -> dict[str, tuple[Cap, Decimal | None]]:
        """Return the key, the kind and the cap of each sum, besides the project's, that a call counts in."""
        of_task = {f"task:{task}": (Cap.task, self.task)} if task else {}
        found = {
            **of_task,
            f"repository:{repository}:{day}": (Cap.repository_day, self.repository_day),
            f"day:{day}": (Cap.day, self.day),
        }
        return {key: (cap, None if usd is None else exactly(usd)) for key, (cap, usd) in found.items()}


class Refusal(BaseModel):
    """A call that wasn't made, and the cap that it would have passed; all amounts in US dollars."""

    model_config = ConfigDict(frozen=True)

    cap: Cap
    step: str
    limit: Decimal
    spent: Decimal
    reserved: Decimal  # for calls under way
    needed: Decimal  # the worst case of the call

    @property
    def passes(self) -> bool:
        """Whether it is only calls under way that stand against it: they mostly cost less than their worst case."""
        return self.spent + self.needed <= self.limit

    @property
    def ends_with_the_day(self) -> bool:
        """Whether the call fits under the cap when the day is over; else every day would end in the same refusal."""
        return self.cap.renewed and self.needed <= self.limit

    @property
    def least(self) -> Decimal:
        """The lowest cap under which the call would be made."""
        return self.spent + self.reserved + self.needed

    def __str__(self) -> str:
        """Return what a person has to know, as a sentence."""
        held = f", of which {dollars(self.spent)} is spent" if self.cap is not Cap.call else ""
        held += f" and {dollars(self.reserved)} is reserved for calls under way" if self.reserved else ""
        return (
            f"The next {self.step} call could cost {dollars(self.needed)}. The cap for {WHOSE[self.cap]} is "
            f"{dollars(self.limit)}{held}; {dollars(self.least)} would be needed."
        )


def first_refusal(
    step: str, needed: Decimal, sums: Sequence[tuple[Cap, Decimal | None, Decimal, Decimal]]
) -> Refusal | None:
    """Return the narrowest cap that a call would pass; `sums` are caps with their limit, what is spent and reserved."""
    order = list(Cap)
    for cap, limit, spent, reserved in sorted(sums, key=lambda one: order.index(one[0])):
        if limit is not None and spent + reserved + needed > limit:
            return Refusal(cap=cap, step=step, limit=limit, spent=spent, reserved=reserved, needed=needed)
    return None


def dollars(amount: Decimal) -> str:
    """Return an amount to the cent, or with two digits more, upward, where it isn't a whole number of cents."""
    cents = amount.quantize(Decimal("0.01"), ROUND_CEILING)
    return f"${cents if cents == amount else amount.quantize(Decimal('0.0001'), ROUND_CEILING)}"


def nearly_spent(spent: float, cap: float) -> bool:
    """Tell whether four fifths of a project's cap are spent: from there on it says how much is left."""
    return spent * 5 >= cap * 4


def midnight(day: date) -> datetime:
    """Return the moment at which a day is over by UTC."""
    return datetime.combine(day + timedelta(days=1), time(), UTC)
