"""What people can write to the app in comments: one table, and the reader of what they wrote. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from enum import StrEnum
from itertools import islice

from app.domain.pleasantries import asks_nothing

WORD = "/aurora"
LONGEST_WISH = 5000  # characters
LONGEST_SHOWN = 40  # characters of what somebody wrote, in an answer
MOST_ORDERS = 20  # that are read in one comment

BOX = "Approve this plan and start the work"  # to be ticked in the comment that shows the plan
TICKED = re.compile(rf"^[ \t]*[-*] \[x\] {BOX}[ \t\r]*$", re.IGNORECASE | re.MULTILINE)


class Name(StrEnum):
    """The commands (the names are a contract)."""

    help = "help"
    status = "status"
    plan = "plan"
    approve = "approve"
    revise = "revise"
    retry = "retry"
    cancel = "cancel"
    pause = "pause"
    resume = "resume"
    budget = "budget"
    merge = "merge"
    rebase = "rebase"
    explain = "explain"
    fix = "fix"
    revert = "revert"


@dataclass(frozen=True)
class Command:
    """Something that a person can write to the app."""

    name: Name
    help: str  # as it follows "/aurora name: "
    argument: str = ""  # how its argument is called, empty where it takes none
    form: str = ""  # a pattern of what is accepted as the argument; its first group is what is used
    example: str = ""
    once: bool = True  # a later comment's overrules it, where that one was heard first

    @property
    def usage(self) -> str:
        """How it is written."""
        return " ".join(part for part in (WORD, self.name, self.argument) if part)


AMOUNT = r"(?:us)?\$?\s*(\d{1,7}(?:\.\d{1,4})?)\s*(?:\$|usd|us dollars|dollars?)?"

WORDS = r"(\S.{0,4999})"  # whatever somebody wants, up to the end of the line
TASK = r"(?:(?:task\s+)?(t?\d{1,3}|f\d{1,3}|review))?"
CHECK = r"(?:(?:aurora\s*/\s*)?(\S.{0,99}))?"

TABLE = (
    Command(Name.help, "list what can be written here"),
    Command(Name.status, "say how far the work is and what it has cost"),
    Command(Name.plan, "show the plan"),
    Command(Name.approve, "start the work as planned"),
    Command(Name.revise, "make the plan anew with these words", "<text>", WORDS, "leave the export for later", False),
    Command(Name.retry, "try again what failed, or just one task", "[task]", TASK, "t2", False),
    Command(Name.cancel, "end this run now; its branches stay"),
    Command(Name.pause, "hold this run at its next model call"),
    Command(Name.resume, "go on after a pause"),
    Command(Name.budget, "set what this run may cost in US dollars", "<amount>", AMOUNT, "10"),
    Command(Name.merge, "merge the pull request once its checks are green, whatever the policy"),
    Command(Name.rebase, "bring the base branch into the pull request and check it again"),
    Command(Name.explain, "say what the checks found, or just one of them", "[check]", CHECK, "tests", False),
    Command(Name.fix, "have this changed too", "<text>", WORDS, "the empty list should give zero", False),
    Command(Name.revert, "open a pull request that takes back what was merged"),
)
COMMANDS = {command.name: command for command in TABLE}


@dataclass(frozen=True)
class Asked:
    """A command that was written, with its argument."""

    name: Name
    argument: str = ""


@dataclass(frozen=True)
class Misread:
    """A line that is no command but looks like one, and what to say of it."""

    problem: str


Said = Asked | Misread


def dump(found: Sequence[Said]) -> list[dict[str, str]]:
    """Return what was read as a message carries it."""
    return [asdict(one) for one in found]


def load(carried: Sequence[Mapping[str, str]]) -> list[Said]:
    """Return what a message carries."""
    return [
        Misread(one["problem"]) if "problem" in one else Asked(Name(one["name"]), one["argument"]) for one in carried
    ]


FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
LINE = re.compile(rf" {{0,3}}{WORD}(?:\s+(.*))?$", re.IGNORECASE)
HIDDEN = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
QUOTED = re.compile(r"^ {0,3}>|^(?: {4}|\t)")
TICKS = re.compile(r"`+")
COURTESY = re.compile(r"\b(?:please|thanks|thank you|now|hey|hi|hello|could you|can you|would you)\b", re.IGNORECASE)

MEANT = (  # whole sentences that stand for a command; anything else that is said to the app is a wish
    (Name.help, r"help|what can you do|who are you|"),
    (Name.status, r"(?:what(?:'s| is) the |any )?(?:status|progress|news|updates?|eta)"),
    (Name.status, r"how (?:far (?:are you|is (?:it|this))|is (?:it|this) going)|where are you.*"),
    (Name.status, r"how (?:much|long) (?:has|does|did|will|is) (?:it|this|that)\b[^,.;]*"),
    (
        Name.status,
        r"what (?:are you (?:doing|working on)|does (?:it|this) cost|did (?:it|this) cost|has (?:it|this) cost).*",
    ),
    (Name.status, r"(?:are you|is (?:it|this)) (?:done|ready|finished)(?: yet)?|when (?:will|is) (?:it|this).*"),
    (Name.plan, r"(?:show (?:me )?)?(?:the|your) plan|what(?:'s| is) (?:the|your) plan|plan"),
    (Name.explain, r"explain|what(?: has)? failed|why (?:did|does|do|is|are|has|have) .*(?:fail|red|broke).*"),
    (Name.approve, r"approved?|go ahead|lgtm|looks good(?: to me)?|start(?: (?:it|work))?|ok(?:ay)?|yes|sure|do it"),
    (Name.retry, r"retry|(?:try )?again|try (?:it|this) again"),
    (Name.cancel, r"(?:stop|cancel|abort)(?: (?:it|this|working|the work))?"),
    (Name.pause, r"pause|wait|hold on|(?:don'?t|do not) merge(?: (?:it|this))?(?: yet)?"),
    (Name.resume, r"resume|continue|go on|carry on"),
    (Name.merge, r"(?:(?:lgtm|looks good)\W+)?(?:merge(?: (?:it|this|this pull request|the pull request))?|ship it)"),
    (Name.rebase, r"rebase|update (?:the |this )?(?:branch|pr|pull request)|resolve (?:the )?(?:merge )?conflicts?"),
    (Name.revert, r"(?:revert|undo)(?: (?:it|this))?"),
)


def read(comment: str, called: str = "") -> list[Said]:
    """Return the commands in a comment, in order: those at the start of a line, outside quotes and code.

    Without any, a comment that mentions `called` (a name without its `@`) is read as words to the app.
    """
    lines = list(_shown(HIDDEN.sub("", comment).splitlines()))
    written = (match for line in lines if (match := LINE.match(line.rstrip())))
    found = [_command(match.group(1) or "") for match in islice(written, MOST_ORDERS)]
    return found or (_spoken(lines, called) if called else [])


def _spoken(lines: Sequence[str], called: str) -> list[Said]:
    """Return what free words to the app ask for; none where it isn't mentioned outside quotes and code."""
    mention = re.compile(rf"(?<![\w/@])@{re.escape(called)}(?:\[bot\])?(?![\w-])[,:]?", re.IGNORECASE)
    said = [line for line in lines if not QUOTED.match(line)]
    if not any(mention.search(_outside_code(line)) for line in said):
        return []
    words = mention.sub(" ", "\n".join(said)).strip()
    plain = " ".join(COURTESY.sub(" ", words).split()).strip(" ,.!?:;")
    meant = next((name for name, form in MEANT if re.fullmatch(form, plain, re.IGNORECASE)), None)
    if asks_nothing(words) and meant in {None, Name.help}:
        return []
    if meant:
        return [Asked(meant)]
    first, _, rest = plain.partition(" ")
    command = next((one for one in TABLE if one.name == first.casefold() and one.form), None)
    if command and (whole := re.fullmatch(command.form, rest.strip(), re.IGNORECASE)):
        return [Asked(command.name, (whole.group(1) or "").strip())]
    return [Asked(Name.fix, words[:LONGEST_WISH])]


def _outside_code(line: str) -> str:
    """Return a line without its code spans, each of which ends at the next run of as many backticks."""
    runs = [found.span() for found in TICKS.finditer(line)]
    ahead: dict[int, list[int]] = {}  # by length, the next one last: a pattern would look for each one's end anew
    for number, (start, end) in reversed([*enumerate(runs)]):
        ahead.setdefault(end - start, []).append(number)
    kept, at, number = list[str](), 0, 0
    while number < len(runs):
        start, end = runs[number]
        same = ahead[end - start]
        while same and same[-1] <= number:
            same.pop()
        if same:
            kept.append(line[at:start])
            number, at = same[-1], runs[same[-1]][1]
        number += 1
    return "".join([*kept, line[at:]])


def _shown(lines: Sequence[str]) -> Iterable[str]:
    """Leave out what stands between fences; quotes and indented code don't begin like a command anyway."""
    fence = ""
    for line in lines:
        mark = FENCE.match(line)
        if fence:
            if mark and mark.group(1).startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif mark:
            fence = mark.group(1)
        else:
            yield line


def _command(said: str) -> Said:
    word, _, rest = said.strip().partition(" ")
    name, rest = word.casefold().rstrip(".,:;!"), rest.strip()
    command = next((command for command in TABLE if command.name == name), None)
    if command is None:
        return Misread(_unknown(name))
    if not command.form:
        return Asked(command.name)  # what follows is courtesy
    found = next((one for form in (rest, rest.rstrip(".!").strip()) if (one := _fits(command, form))), None)
    if found is None:
        shown = f"`{WORD} {command.name} {_plain(rest)}`" if rest else f"`{WORD} {command.name}` alone"
        return Misread(f"I can't read {shown}: write `{command.usage}`, such as `{WORD} {name} {command.example}`.")
    return Asked(command.name, (found.group(1) or "").strip())


def _fits(command: Command, argument: str) -> re.Match[str] | None:
    return re.fullmatch(command.form, argument, re.IGNORECASE)


def _unknown(name: str) -> str:
    close = get_close_matches(name, [command.name.value for command in TABLE], n=1, cutoff=0.5)
    if not name:
        return f"`{WORD}` alone does nothing. {overview()}"
    said = f"There is no command `{WORD} {_plain(name)}`."
    return f"{said} Did you mean `{COMMANDS[Name(close[0])].usage}`?" if close else f"{said} {overview()}"


def overview() -> str:
    """Return all commands in a sentence."""
    return f"The commands are {', '.join(f'`{command.usage}`' for command in TABLE)}."


def _plain(text: str) -> str:
    """Return somebody's words so that they can stand in code."""
    plain = "".join(c if c.isprintable() and c not in "`<>&@#" else " " for c in text)
    return " ".join(plain.split())[:LONGEST_SHOWN]
