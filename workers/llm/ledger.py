"""Asking a model: money is set aside first, the answer is recorded before it is used, and failures are retried."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID

from langchain_core.messages import AIMessage, message_to_dict, messages_from_dict

from app import metrics
from app.domain.budget import Refusal
from app.domain.ports import Call, Entry, EntryKind, Journal, Usage
from app.domain.recovery import backoff
from app.edges import Edge, edge
from app.errors import AuroraError, BudgetExceeded, ModelError, ModelUnavailable
from workers.llm.failures import Failure, Kind, advice, classify
from workers.llm.manner import Manner
from workers.llm.models import Model

log = logging.getLogger(__name__)

TIMEOUTS = 2  # of one call, until its model counts as one that does not answer
LONGEST_WAIT = 3  # as a retry: 8 s between looks whether money came free
CLOSING = 5.0  # seconds that closing the reservation of a cancelled call may take
MOST_TOKENS = 100_000_000  # of one call; a larger count is a mistake, and no table could hold what it costs
ENVELOPE = 1_024  # bytes: what providers add around a request, such as their own words about tools


class ContextTooLong(ModelError):
    """The request doesn't fit the model; a shorter one may."""


@dataclass(frozen=True)
class Question:
    """A request to a model, put into words anew for each manner in which the model may have to be asked."""

    size: int  # bytes of all that is sent
    send: Callable[[Manner], Awaitable[AIMessage]]


@dataclass(frozen=True)
class Answer:
    """What a model said, and how it was asked: what it means depends on that."""

    message: AIMessage
    manner: Manner


def as_entry(answer: Answer, seconds: float, model: str) -> Entry:
    """Turn an answer into what the journal keeps: JSON that any database takes."""
    data = json.loads(json.dumps(message_to_dict(answer.message), default=str))
    content = {
        "message": _storable(data),
        "manner": asdict(answer.manner),
        "seconds": round(seconds, 3),
        "model": model,
    }
    return Entry(EntryKind.model, content)


def as_answer(entry: Entry) -> Answer:
    """Turn an entry of the journal back into the answer."""
    (message,) = messages_from_dict([entry.content["message"]])
    if not isinstance(message, AIMessage):
        raise TypeError(f"a {type(message).__name__} is recorded where a model's answer should be")
    return Answer(message, Manner(**entry.content["manner"]))


def _storable(value: Any) -> Any:
    if isinstance(value, str):  # PostgreSQL's JSON holds neither NUL nor half a surrogate pair
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return value


class Ledger:
    """Asks models on behalf of a journal."""

    def __init__(
        self,
        jitter: Callable[[], float],
        retries: int = 4,
        patience: float = 900.0,
        pace: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take randomness in [0, 1), `patience` in seconds for all tries together, `pace` to shorten delays."""
        self._jitter = jitter
        self._retries = retries
        self._patience = patience
        self._pace = pace
        self._clock = clock

    async def ask(self, call: Call, journal: Journal, position: int, model: Model, question: Question) -> Answer:
        """Return the answer, recorded at `position`.

        Raises `ModelUnavailable` when retrying didn't help, `ContextTooLong`, `ModelError`, `BudgetExceeded` or
        `LeaseLost`.
        """
        held = _Held(journal)
        try:
            return await self._ask(call, held, position, model, question)
        except asyncio.CancelledError:
            await held.let_go()
            raise

    async def _ask(self, call: Call, held: "_Held", position: int, model: Model, question: Question) -> Answer:
        journal = held.journal
        worst = model.spec.worst_case(question.size + ENVELOPE)
        deadline = self._clock() + self._patience
        retry = timeouts = 0
        while True:
            if held.reservation is None:
                held.reservation = await self._reserve(call, journal, position, model.spec.name, worst, deadline)
            reservation, held.sent = held.reservation, True
            started, manner = self._clock(), model.manner
            try:
                async with asyncio.timeout(model.spec.timeout):
                    said = await edge(Edge.model, call.step.value, partial(_sent, question, manner))
                    answer = Answer(_counted(said), manner)
            except AuroraError:
                await journal.forfeit(reservation, sent=False)
                raise
            except Exception as error:
                failure = classify(error)
                if failure.kind is Kind.refused and model.learn(manner, failure.message):
                    continue
                timeouts += failure.timed_out
                held.sent = failure.billable
                delay = self._delay(failure, retry, deadline) if timeouts < TIMEOUTS else None
                if failure.billable or delay is None:
                    await journal.forfeit(reservation, sent=failure.billable)
                    held.reservation = None
                if delay is None:
                    if timeouts >= TIMEOUTS:
                        raise ModelError(_unanswered(model)) from error
                    raise _outcome(model.spec.name, error, failure, self._patience) from error
                _tell_of_retry(call, model, failure, retry, delay)
                await asyncio.sleep(delay)
                retry += 1
                continue
            seconds = self._clock() - started
            return await self._settle(journal, reservation, model, question, answer, seconds)

    async def _reserve(
        self, call: Call, journal: Journal, position: int, model: str, usd: float, deadline: float
    ) -> UUID:
        """Set the worst case aside; while only other calls under way stand against it, wait for what they cost."""
        for wait in count():
            try:
                return await journal.reserve(call, position, model, usd)
            except BudgetExceeded as error:
                delay = backoff(min(wait, LONGEST_WAIT), self._jitter()) * self._pace
                passes = isinstance(error.refusal, Refusal) and error.refusal.passes
                if not passes or self._clock() + delay >= deadline:
                    raise
                await asyncio.sleep(delay)
        raise AssertionError("counting never ends")

    def _delay(self, failure: Failure, retry: int, deadline: float) -> float | None:
        """Return the seconds until the next try, None when there is none."""
        if failure.kind is not Kind.transient or retry >= self._retries or (failure.retry_after or 0) > self._patience:
            return None
        delay = backoff(retry, self._jitter(), failure.retry_after) * self._pace
        return delay if self._clock() + delay < deadline else None

    async def _settle(
        self,
        journal: Journal,
        reservation: UUID,
        model: Model,
        question: Question,
        answer: Answer,
        seconds: float,
    ) -> Answer:
        entry = as_entry(answer, seconds, model.spec.name)
        read, said = _tokens(answer.message, question.size)
        usage = Usage(read, said, seconds=seconds, usd=model.spec.cost(read, said, *_cached(answer.message)))
        if usage.usd > (worst := model.spec.worst_case(question.size + ENVELOPE)):
            log.warning(
                "a model's server counted more than a call can cost at most; see its price and its count of tokens",
                extra={"model": model.spec.name, "usd": usage.usd, "worst": worst, "input": read, "output": said},
            )
        await journal.settle(reservation, usage, entry)
        return as_answer(entry)  # what a resumed worker would read, so that both go the same way


@dataclass
class _Held:
    """What is set aside for the call at hand."""

    journal: Journal
    reservation: UUID | None = None
    sent: bool = False  # whether the model may bill for it

    async def let_go(self) -> None:
        """Close the reservation of a call that was cancelled; where that fails, giving back the lease does it."""
        if self.reservation is None:
            return
        try:
            async with asyncio.timeout(CLOSING):
                await self.journal.forfeit(self.reservation, sent=self.sent)
        except Exception as error:  # noqa: BLE001 - the cancellation goes on, whatever the store says
            log.info("a cancelled call could not be closed", extra={"why": str(error)})


def _tell_of_retry(call: Call, model: Model, failure: Failure, retry: int, delay: float) -> None:
    metrics.MODEL_RETRIES.labels(model.spec.name, call.step).inc()
    log.warning(
        "a model call is tried again",
        extra={"model": model.spec.name, "step": call.step, "why": failure.message, "try": retry + 1, "seconds": delay},
    )


async def _sent(question: Question, manner: Manner) -> AIMessage:
    try:
        return await question.send(manner)
    except Exception as error:
        # OpenAI's SDK raises when an answer in a given form was cut off; it was paid for, and says so.
        completion = getattr(error, "completion", None)
        if completion is None:
            raise
        choice, usage = completion.choices[0], completion.usage
        message = AIMessage(choice.message.content or "", response_metadata={"finish_reason": "length"})
        if usage is not None:
            message.usage_metadata = {
                "input_tokens": usage.prompt_tokens,
                "output_tokens": usage.completion_tokens,
                "total_tokens": usage.total_tokens,
            }
        return message


def _counted(message: AIMessage) -> AIMessage:
    """Leave out counts that can't be true: whoever counts less than nothing would earn money for us, past every cap."""
    if (used := message.usage_metadata) is None:
        return message
    read, said, details = used["input_tokens"], used["output_tokens"], used.get("input_token_details", {})
    cached = (details.get("cache_read") or 0, details.get("cache_creation") or 0)
    possible = 0 <= read <= MOST_TOKENS and 0 <= said <= MOST_TOKENS and min(cached) >= 0 and sum(cached) <= read
    return message if possible else message.model_copy(update={"usage_metadata": None})


def _tokens(message: AIMessage, size: int) -> tuple[int, int]:
    """Return input and output tokens; where the server doesn't count, bytes stand for them."""
    if used := message.usage_metadata:
        return used["input_tokens"], used["output_tokens"]
    said = json.dumps([message.content, message.tool_calls], default=str)
    return size, len(said.encode())


def _cached(message: AIMessage) -> tuple[int, int]:
    """Return the tokens that came from the provider's prompt cache, and those that went into it."""
    if message.usage_metadata is None:
        return 0, 0
    details = message.usage_metadata.get("input_token_details", {})
    return details.get("cache_read") or 0, details.get("cache_creation") or 0


def _unanswered(model: Model) -> str:
    return (
        f"The model {model.spec.name} did not answer within {model.spec.timeout:g} seconds, {TIMEOUTS} times in a row. "
        "See whether its server works; a slower model gets more time by `timeout` in AURORA_MODEL_PRICES."
    )


def _outcome(model: str, error: Exception, failure: Failure, patience: float) -> AuroraError:
    if failure.kind is Kind.transient and (failure.retry_after or 0) > patience:
        return ModelError(f"The model {model} wants {failure.retry_after:.0f} seconds of rest: {failure.message}")
    if failure.kind is Kind.transient:
        return ModelUnavailable(
            f"The model {model} could not be reached or did not answer: {failure.message}",
            failure.retry_after,
        )
    if failure.kind is Kind.too_long:
        return ContextTooLong(advice(model, error, failure))
    return ModelError(advice(model, error, failure))


def size_of(*parts: Any) -> int:
    """Return the bytes of messages, tools and schemas as they are sent."""
    return sum(len(part.encode()) if isinstance(part, str) else _bytes(part) for part in parts)


def _bytes(part: Any) -> int:
    if hasattr(part, "content"):
        part = [part.content, getattr(part, "tool_calls", None), getattr(part, "tool_call_id", None)]
    return len(json.dumps(part, default=str, ensure_ascii=False).encode("utf-8", "replace")) + 32
