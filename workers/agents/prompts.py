"""What models are told: words from `prompts/*.md`, and material from outside marked as such."""

import re
from functools import cache
from pathlib import Path

from app.domain.ports import Prompt, Step
from app.domain.roles import AgentRole, Role, Tool
from workers.llm.specs import Protocol

MARK = re.compile(r"<(?=\s*/?\s*(?:material|task)\b)", re.IGNORECASE)


@cache
def words(name: str) -> str:
    """Return the text of `prompts/<name>.md`."""
    return (Path(__file__).parent / "prompts" / f"{name}.md").read_text().strip()


def system_prompt(step: Step, role: AgentRole | None = None) -> str:
    """Return the system prompt of a step: what never changes first, the role after it."""
    parts = [words("common"), words(step.value)]
    if role is not None and role not in {AgentRole.maestro, AgentRole.memory_coordinator}:
        parts.append(words(f"role_{role.value}"))
    return "\n\n".join(parts)


def material(name: str, text: str) -> str:
    """Mark `text` from outside as material, so that nothing in it can end the mark or begin another."""
    return f'<material name="{name}">\n{MARK.sub("&lt;", text).strip()}\n</material>'


def protocol_words(protocol: Protocol, role: Role) -> str:
    """Return what a model is told about how to act."""
    names = ", ".join(tool.value for tool in Tool if tool in role.tools)
    return "\n\n" + words(f"protocol_{protocol.value}").replace("{tools}", names)


def prompt_for(step: Step, role: AgentRole | None = None, **materials: str) -> Prompt:
    """Return the prompt of a structured step: its words, then each material that isn't empty."""
    shown = [material(name, text) for name, text in materials.items() if text.strip()]
    return Prompt(system_prompt(step, role), "\n\n".join(shown))


def reminder(protocol: Protocol) -> str:
    """Return what is said once more at the end, where small models look; empty for those that don't need it."""
    return words("reminder_files") if protocol is Protocol.files else ""
