"""Answers in a given form: asked with a JSON schema, validated, and asked again with what was wrong."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ValidationError

from app.domain.ports import Call, Journal, Prompt, Step
from app.domain.roles import Tier
from app.errors import BadAnswer
from workers.llm.answers import parse_json
from workers.llm.fitting import clip
from workers.llm.forgiving import forgive
from workers.llm.ledger import ContextTooLong, Ledger, Question, as_answer, size_of
from workers.llm.manner import Manner
from workers.llm.models import Model, Models
from workers.llm.schema import schema_of

T = TypeVar("T", bound=BaseModel)
M = TypeVar("M", bound=BaseMessage)

TRIES = 3
SHORTENINGS = 3  # each leaves half of the material
TIERS: Mapping[Step, Tier] = {
    Step.parse: Tier.planner,
    Step.plan: Tier.planner,
    Step.generate: Tier.coder,
    Step.reflect: Tier.coder,
    Step.merge: Tier.coder,
    Step.review: Tier.reviewer,
}


class StructuredThinker:
    """The `Thinker` that asks language models; each try takes one position of the journal."""

    def __init__(self, models: Models, ledger: Ledger, tries: int = TRIES) -> None:
        """Choose the model by the step that a call is for."""
        self._models = models
        self._ledger = ledger
        self._tries = tries

    async def answer(self, call: Call, journal: Journal, form: type[T], prompt: Prompt) -> T:
        """Return a valid answer; raise `BadAnswer` when none came in a few tries."""
        model = self._models.of(TIERS[call.step])
        recorded = await journal.read(call.scope)
        conversation: list[BaseMessage] = [HumanMessage(prompt.user)]
        problem = ""
        for position in range(self._tries):
            if position < len(recorded):
                message = as_answer(recorded[position]).message
            else:
                message = await self._ask(call, journal, position, model, prompt.system, conversation, form)
            try:
                return read_answer(message, form)
            except BadAnswer as error:
                problem = str(error)
                conversation += [AIMessage(message.text or "(nothing)"), HumanMessage(problem)]
        raise BadAnswer(f"No usable answer came in {self._tries} tries; the last problem: {problem}")

    async def _ask(
        self,
        call: Call,
        journal: Journal,
        position: int,
        model: Model,
        system: str,
        conversation: list[BaseMessage],
        form: type[BaseModel],
    ) -> AIMessage:
        """Ask, with less and less of the material where it is too long for the model."""
        for _ in range(SHORTENINGS):
            question = await _question(model, call, system, conversation, schema_of(form))
            try:
                return (await self._ledger.ask(call, journal, position, model, question)).message
            except ContextTooLong:
                material = conversation[0].text
                conversation[0] = HumanMessage(clip(material, len(material) // 2))
        question = await _question(model, call, system, conversation, schema_of(form))
        return (await self._ledger.ask(call, journal, position, model, question)).message


async def _question(
    model: Model, call: Call, system: str, conversation: list[BaseMessage], schema: Mapping[str, Any]
) -> Question:
    chat = await model.chat()
    told = list(conversation)

    async def send(manner: Manner) -> AIMessage:
        words = system + manner.words(schema)
        messages = [SystemMessage(words), *told] if manner.system else with_words_first(words, told)
        return await chat.bind(**model.settings(call, manner, schema)).ainvoke(messages)

    return Question(size_of(system, *told, schema, json.dumps(schema)), send)


def with_words_first(words: str, messages: Sequence[M]) -> list[M | HumanMessage]:
    """Return the messages with the system's words at the start of the first, for models that know no system."""
    first, *rest = messages
    return [HumanMessage(f"{words}\n\n{first.text}"), *rest]


def read_answer(message: AIMessage, form: type[T]) -> T:
    """Return the answer in its form; raise `BadAnswer` with words for the model."""
    if message.tool_calls and not message.text:
        value: Any = message.tool_calls[0]["args"]
    elif refusal := message.additional_kwargs.get("refusal"):
        raise BadAnswer(f"That was a refusal ({refusal}). Answer with one JSON object in the given form.")
    else:
        value = _parse(message)
    try:
        return form.model_validate(forgive(value, form))
    except ValidationError as error:
        raise BadAnswer(explain(error)) from error


def _parse(message: AIMessage) -> Any:
    try:
        return parse_json(message.text)
    except BadAnswer as error:
        if message.response_metadata.get("finish_reason", message.response_metadata.get("stop_reason")) in {
            "length",
            "max_tokens",
        }:
            raise BadAnswer("The answer was cut off because it was too long. Answer again, briefly.") from error
        raise


def explain(error: ValidationError) -> str:
    """Say to the model what doesn't fit, at most five things."""
    problems = [
        f"- {'.'.join(str(part) for part in problem['loc']) or 'the answer'}: {problem['msg']}"
        for problem in error.errors()[:5]
    ]
    return "The JSON doesn't fit the form:\n" + "\n".join(problems) + "\nAnswer again with the whole JSON object."
