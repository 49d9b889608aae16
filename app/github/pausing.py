"""What the app says when a run reaches a cap: what was spent on what, and what lets it go on."""

import math
from collections.abc import Sequence

from app.domain.budget import SETTING, Cap, Refusal, dollars
from app.domain.commands import COMMANDS, WORD, Name
from app.domain.ports import ModelCall
from app.domain.project import Project
from app.github.markdown import code, mention
from app.github.render import TOMORROW, offered, usd


def paused(project: Project, refusal: Refusal, calls: Sequence[ModelCall], most_usd: float) -> str:
    """Return the comment that says at which cap the work stopped, what was spent on what, and what goes on from here.

    `most_usd` is what people may raise the project's cap to.
    """
    parts = [
        "### Paused at a cap",
        f"{mention(project.requested_by)}, this run waits. {refusal}",
        _spending(calls),
        _onward(refusal, most_usd),
        f"To end it instead: {code(COMMANDS[Name.cancel].usage)}. Nothing that was done is lost.",
    ]
    return "\n\n".join(part for part in parts if part)


def _onward(refusal: Refusal, most_usd: float) -> str:
    """Say what lets the work go on."""
    resume, setting = COMMANDS[Name.resume], code(SETTING[refusal.cap])
    if refusal.ends_with_the_day:
        text = f"{TOMORROW} The operator decides this cap ({setting}). Once it is raised, this goes on at once:"
        return f"{text}\n\n{offered([resume])}"
    if refusal.cap is not Cap.project:
        return f"The operator decides this cap ({setting}). Once it is raised, go on with:\n\n{offered([resume])}"
    wanted = min(max(math.ceil(refusal.least), 2 * math.ceil(refusal.limit)), most_usd)
    if wanted >= refusal.least:
        one = f"{WORD} {Name.budget} {f'{wanted:.2f}'.removesuffix('.00')}"
        return (
            "To go on, somebody with write permission raises the cap, "
            f"to {usd(most_usd)} at most:\n\n- {code(one)}: {COMMANDS[Name.budget].help}, and go on"
        )
    return (
        f"{most_budget(most_usd)} Once the operator has raised that, go on with:\n\n{offered([COMMANDS[Name.budget]])}"
    )


def most_budget(most_usd: float) -> str:
    """Say what people can't set."""
    return (
        f"A run may cost {usd(most_usd)} at most: that is the operator's to decide "
        f"({code('AURORA_BUDGET')} and {code('AURORA_BUDGET_MOST')})."
    )


def too_little(refusal: Refusal) -> str:
    """Say that a new cap doesn't let the work go on."""
    return f"That is set, but the next call needs {dollars(refusal.least)}, so this run still waits."


def _spending(calls: Sequence[ModelCall]) -> str:
    """Return what was spent on what."""
    sums: dict[tuple[str, str], tuple[int, int, float]] = {}
    for call in calls:
        number, tokens, cost = sums.get((call.step, call.model), (0, 0, 0.0))
        used = call.input_tokens + call.output_tokens
        sums[call.step, call.model] = (number + 1, tokens + used, cost + call.usd)
    if not sums:
        return ""
    rows = [
        f"| {step} | {code(model, 60)} | {number} | {tokens:,} | {usd(cost)} |"
        for (step, model), (number, tokens, cost) in sorted(sums.items(), key=lambda one: -one[1][2])
    ]
    return "\n".join(["| Spent on | Model | Calls | Tokens | Cost |", "|---|---|---:|---:|---:|", *rows])
