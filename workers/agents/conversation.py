"""The conversation as it is sent: in plain words for models without tools, and no longer than they can read."""

from collections.abc import Sequence

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from workers.agents.actions import PUT_CODE
from workers.agents.translate import IN_TEXT
from workers.llm.fitting import clip
from workers.llm.ledger import size_of
from workers.llm.specs import Protocol

TO_CODE = "I write the code."
LEFT_OUT = "[left out to save room; do it again if you need it]"


def plain_text(messages: Sequence[AnyMessage], protocol: Protocol) -> list[AnyMessage]:
    """Return the messages with actions that were read from text as plain text again, or all where there are no tools.

    Where code is asked for, actions written out as JSON are not shown again: models repeat their own pattern.
    """
    in_text: set[str] = set()
    plain: list[AnyMessage] = []
    for message in messages:
        if isinstance(message, AIMessage) and (
            protocol is not Protocol.tools or message.additional_kwargs.get(IN_TEXT)
        ):
            in_text |= {call["id"] or "" for call in message.tool_calls}
            names = {call["name"] for call in message.tool_calls}
            rewritten = protocol is Protocol.files and names and PUT_CODE not in names
            plain.append(AIMessage(TO_CODE if rewritten else message.text or "(no words)"))
        elif isinstance(message, ToolMessage) and message.tool_call_id in in_text:
            _say(plain, f"Result of {message.name}:\n{message.text}")
        elif isinstance(message, HumanMessage):
            _say(plain, message.text)
        elif isinstance(message, AIMessage) and not message.text and not message.tool_calls:
            plain.append(AIMessage("(nothing)"))  # providers refuse an empty message
        else:
            plain.append(message)
    return plain


def _say(plain: list[AnyMessage], text: str) -> None:
    """Add a user message, joined to one just before: some servers insist on taking turns."""
    if plain and isinstance(plain[-1], HumanMessage):
        plain[-1] = HumanMessage(f"{plain[-1].text}\n\n{text}")
    else:
        plain.append(HumanMessage(text))


def say_last(messages: Sequence[AnyMessage], text: str) -> list[AnyMessage]:
    """Return the messages with `text`, unless empty, as the last that the model reads."""
    said = list(messages)
    if text:
        _say(said, text)
    return said


def fit_into(messages: Sequence[AnyMessage], room: int) -> list[AnyMessage]:
    """Return the messages with the oldest long ones shortened until they fit into `room` bytes.

    The last two stay whole, and so does the first, which is the task, if that is possible at all.
    """
    fitted = list(messages)
    excess = size_of(*fitted) - room
    for number, message in enumerate(fitted[1:-2], 1):
        if excess <= 0:
            break
        if isinstance(message, ToolMessage | HumanMessage) and len(message.text) > len(LEFT_OUT) * 2:
            shorter = message.model_copy(update={"content": LEFT_OUT})
            excess -= size_of(message) - size_of(shorter)
            fitted[number] = shorter
    if excess > 0 and fitted:
        task = fitted[0]
        keep = max(2_000, len(task.text) - excess)
        fitted[0] = task.model_copy(update={"content": clip(task.text, keep)})
    return fitted
