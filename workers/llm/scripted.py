"""A recorded conversation in the place of a model: `AURORA_MODEL=scripted:FILE`, for demonstrations and tests.

FILE is YAML or JSON: a list of entries. The first entry that fits a request answers it:

    - step: generate            # parse, plan, generate, reflect, merge or review; left out: any
      attempt: 1                # left out: any
      contains: slugify         # text, or list of texts, that the request must contain; left out: any
      seconds: 0.2              # how long each answer takes; left out: 0
      tokens: [900, 120]        # what an answer is said to have used; left out: a quarter of the bytes
      answers:                  # one after the other within one conversation; the last is not repeated
        - json: {requirements: []}                       # said as JSON text
        - text: "words, or files in fences"
        - calls:                                         # native tool calls, run in this order
            - {name: read_file, args: {path: a.py}}
            - {name: done, args: {summary: It is done.}}

`answer: …` is short for `answers: […]` with one. Which answer is next follows from the request alone (how many
answers the conversation already holds), so nothing is kept between calls: parallel tasks, a second
process, and a worker that resumes another's task all hear what they should.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import yaml
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.errors import ModelError


class ToolCallLine(BaseModel):
    """A tool call of an answer."""

    model_config = ConfigDict(extra="forbid")

    name: str
    args: dict[str, Any] = Field(default_factory=dict)


class Answer(BaseModel):
    """One answer: exactly one of its fields is given."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    text: str | None = None
    value: Any = Field(default=None, alias="json")
    calls: tuple[ToolCallLine, ...] = ()

    @model_validator(mode="after")
    def _one(self) -> "Answer":
        if sum((self.text is not None, self.value is not None, bool(self.calls))) != 1:
            raise ValueError("an answer has exactly one of text, json and calls")
        return self


class Line(BaseModel):
    """One entry of the file."""

    model_config = ConfigDict(extra="forbid")

    step: str | None = None
    attempt: int | None = None
    contains: tuple[str, ...] = ()
    seconds: float = 0.0
    tokens: tuple[int, int] | None = None
    answers: tuple[Answer, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _shorthands(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        data = dict(data)
        if "answer" in data:
            data["answers"] = [data.pop("answer")]
        if isinstance(data.get("contains"), str):
            data["contains"] = [data["contains"]]
        return data

    def fits(self, step: str, attempt: str, text: str) -> bool:
        """Tell whether the entry answers this request."""
        return (
            (self.step is None or self.step == step)
            and (self.attempt is None or str(self.attempt) == attempt)
            and all(part in text for part in self.contains)
        )


# ruff: noqa: ARG002 - the signatures are LangChain's


class ScriptedChat(BaseChatModel):
    """A chat model that reads from a recorded conversation."""

    source: str
    lines: tuple[Line, ...]

    @classmethod
    def from_file(cls, path: Path) -> "ScriptedChat":
        """Read a conversation; raise `ModelError` that says what is wrong with the file."""
        try:
            data = yaml.safe_load(path.read_text())
            if not isinstance(data, list):
                raise ValueError("the file has to be a list of entries")
            return cls(source=str(path), lines=tuple(Line.model_validate(item) for item in data))
        except (OSError, yaml.YAMLError, ValidationError, ValueError) as error:
            raise ModelError(f"The recorded conversation {path} can't be read: {error}") from error

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Accept tools as any model does; what is called is in the file."""
        return self.bind(tools=[getattr(tool, "name", str(tool)) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        line, answer, position = self._find(messages, kwargs.get("extra_headers", {}))
        return ChatResult(generations=[ChatGeneration(message=_message(line, answer, position, messages))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        line, _, _ = self._find(messages, kwargs.get("extra_headers", {}))
        await asyncio.sleep(line.seconds)
        return self._generate(messages, stop, None, **kwargs)

    def _find(self, messages: list[BaseMessage], headers: dict[str, str]) -> tuple[Line, Answer, int]:
        step, attempt = headers.get("X-Aurora-Step", ""), headers.get("X-Aurora-Attempt", "")
        text = "\n".join(message.text for message in messages)
        position = sum(isinstance(message, AIMessage) for message in messages)
        line = next((line for line in self.lines if line.fits(step, attempt, text)), None)
        if line is None:
            raise ModelError(
                f"The recorded conversation {self.source} has no entry for step {step}, attempt {attempt}."
            )
        if position >= len(line.answers):
            raise ModelError(
                f"The recorded conversation {self.source} has {len(line.answers)} answers for step {step}, "
                f"attempt {attempt}, and number {position + 1} was asked for."
            )
        return line, line.answers[position], position


def _message(line: Line, answer: Answer, position: int, messages: list[BaseMessage]) -> AIMessage:
    text = json.dumps(answer.value) if answer.value is not None else answer.text or ""
    calls = [
        {"name": call.name, "args": call.args, "id": f"s{position}.{number}", "type": "tool_call"}
        for number, call in enumerate(answer.calls)
    ]
    read, said = line.tokens or (
        sum(len(message.text.encode()) for message in messages) // 4,
        len(f"{text}{calls or ''}".encode()) // 4,
    )
    usage = {"input_tokens": read, "output_tokens": said, "total_tokens": read + said}
    return AIMessage(content=text, tool_calls=calls, usage_metadata=usage)
