"""The six actions at work in a worktree: bounded, guarded, and answering in words that help the model on."""

import asyncio
import difflib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.domain.ports import Workbench, Worktree
from app.domain.roles import Role
from app.errors import BadAnswer, EnvironmentFailed, SandboxUnavailable, is_disk_full
from workers.agents.actions import Done, EditFile, PutCode, ReadFile, Run, Search, WriteFile
from workers.agents.globs import fits
from workers.agents.guard import Refused, check_pointer, check_write, locate, normalise
from workers.agents.outline import language_of, outline
from workers.agents.splice import splice
from workers.llm.fitting import clip

MAX_READ = 400  # lines
MAX_OUTPUT = 12_000  # characters of any result
MAX_LINE = 400  # characters of one line shown
MAX_HITS = 60
MAX_WRITE = 1_000_000  # characters
GREP_ENVIRONMENT = {  # nothing of the worker's, and no repository: `.git` is where commands can put another one
    "GIT_DIR": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
}
SEARCH_SECONDS = 10.0
RUN_SECONDS = 120.0


@dataclass(frozen=True)
class Outcome:
    """What an action answered."""

    text: str
    ok: bool = True
    touched: bool = False  # it may have changed files
    usable: bool = True  # False: the action itself made no sense
    broken: str = ""  # the trace, where the tool broke over it


class Toolbox:
    """The actions of one role in one worktree."""

    def __init__(
        self,
        role: Role,
        worktree: Worktree,
        bench: Workbench,
        protected: tuple[str, ...] = (),
        run_seconds: float = RUN_SECONDS,
    ) -> None:
        """Bind the actions to a worktree; `protected` are the globs that no change may touch."""
        self._role = role
        self._worktree = worktree
        self.bench = bench
        self._protected = protected
        self._run_seconds = run_seconds

    async def perform(self, action: object) -> Outcome:
        """Do one checked action; raises `Refused` in words for the model."""
        match action:
            case ReadFile():
                outcome = await asyncio.to_thread(self._read, action)
            case Search():
                outcome = await self._search(action)
            case EditFile():
                outcome = await asyncio.to_thread(self._edit, action)
            case WriteFile():
                outcome = await asyncio.to_thread(self._write, action.path, action.content)
            case PutCode():
                outcome = await self._put(action)
            case Run():
                outcome = await self._run(action)
            case Done():
                outcome = await self._done(action)
            case _:
                raise TypeError(f"no such action: {type(action).__name__}")
        return outcome

    # --- reading ------------------------------------------------------------------------------------

    def _read(self, action: ReadFile) -> Outcome:
        lines = self._text(action.path).splitlines()
        start = max(1, action.start or 1)
        end = min(len(lines), action.end or len(lines), start + MAX_READ - 1)
        if start > max(1, len(lines)):
            raise Refused(f"{action.path} has only {len(lines)} lines.")
        shown = numbered(lines[start - 1 : end], start)
        more = f"\n({len(lines)} lines in all; read on with start={end + 1})" if end < len(lines) else ""
        return Outcome(clip(shown, MAX_OUTPUT) + more if lines else "(the file is empty)")

    def _text(self, path: str) -> str:
        place = locate(self._worktree.path, path)
        if place.is_dir():
            names = sorted(f"{p.name}/" if p.is_dir() else p.name for p in place.iterdir() if p.name != ".git")
            raise Refused(f"{normalise(path)} is a folder with: {', '.join(names[:80])}.")
        if not place.is_file():  # nor a pipe, which would keep a reader waiting for ever
            raise Refused(f"There is no file {normalise(path)}.{self._similar(path)}")
        if place.stat().st_size > MAX_WRITE * 4:
            raise Refused(f"{normalise(path)} is too large to be read.")
        data = place.read_bytes()
        if b"\x00" in data[:8000]:
            raise Refused(f"{normalise(path)} is not a text file.")
        return data.decode("utf-8", "replace")

    def _similar(self, path: str) -> str:
        name = normalise(path).rsplit("/", 1)[-1]
        root = self._worktree.path
        found = [str(p.relative_to(root)) for p in root.glob(f"**/{re.sub(r'[^A-Za-z0-9_.-]', '?', name)}")][:3]
        return f" Did you mean {', '.join(found)}?" if found else ""

    async def _search(self, action: Search) -> Outcome:
        below = normalise(action.path) if action.path and action.path not in {".", "./", "/"} else "."
        if below != ".":
            locate(self._worktree.path, below)
        for kind in ("-P", "-E", "-F"):
            code, output = await self._grep(kind, action.pattern, below)
            if code in {0, 1}:
                break
        hits = [line[:MAX_LINE] for line in output.splitlines()]
        if not hits:
            return Outcome(f"Nothing matches {action.pattern!r}.")
        more = f"\n(more than {MAX_HITS} lines; search for something narrower)" if len(hits) > MAX_HITS else ""
        return Outcome(clip("\n".join(hits[:MAX_HITS]), MAX_OUTPUT) + more)

    async def _grep(self, kind: str, pattern: str, below: str) -> tuple[int, str]:
        return await asyncio.to_thread(grep, self._worktree.path, kind, pattern, below)

    # --- writing ------------------------------------------------------------------------------------

    def _edit(self, action: EditFile) -> Outcome:
        text = self._text(action.path)
        if "\ufffd" in text:
            raise Refused(f"{action.path} isn't UTF-8, so an edit would damage it.")
        if not action.old.strip():
            raise Refused("`old` is empty. Copy the lines to be replaced, or use write_file for a new file.")
        old, new = (_endings(part, text) for part in (action.old, action.new))
        changed = replace_once(text, old, new)
        if self.bench.syntax_error(action.path, changed) is not None:
            changed = replace_once(text, old, in_margin(text, old, new))  # often only the margin was forgotten
        if changed == text:
            raise Refused("`old` and `new` are the same: nothing was changed.")
        return self._write(action.path, changed)

    def _write(self, path: str, content: str) -> Outcome:
        place, path = self._writable(path), normalise(path)
        if len(content) > MAX_WRITE:
            raise Refused(f"{path} would have {len(content)} characters; at most {MAX_WRITE} are written.")
        if place.is_dir():
            raise Refused(f"{path} is a folder.")
        check_pointer(place, path)
        self._check_syntax(path, content)
        if place.is_file() and place.read_bytes() == content.encode("utf-8", "surrogatepass"):
            return Outcome(f"{path} holds exactly this already: nothing has changed.")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content, encoding="utf-8", newline="")
        except (OSError, UnicodeEncodeError) as error:
            if is_disk_full(error):
                raise  # no other action would help: the work waits
            raise Refused(f"{path} can't be written: {error}") from error
        return Outcome(f"{path} is written ({len(content.splitlines())} lines).", touched=True)

    def _writable(self, path: str) -> Path:
        """Return where `path` is; raise `Refused` unless it, and what it links to, may be changed."""
        root = self._worktree.path
        place = locate(root, path)
        for written in {normalise(path), str(place.resolve().relative_to(root.resolve()))}:
            check_write(self._role, self._protected, written)
        return place

    async def forbidden_changes(self) -> list[str]:
        """Return the changed paths that this role may not change: a command may have touched them."""
        forbidden = []
        for change in await self._worktree.changes():
            try:
                check_write(self._role, self._protected, change.path)
            except Refused:
                forbidden.append(change.path)
        return forbidden

    def _check_syntax(self, path: str, content: str) -> None:
        finding = self.bench.syntax_error(path, content)
        if finding is None:
            return
        lines = content.splitlines()
        first = max(1, finding.line - 3)
        shown = numbered(lines[first - 1 : finding.line + 2], first)
        raise Refused(
            f"{path} was not changed: it would have a syntax error in line {finding.line}: {finding.message}\n{shown}"
        )

    async def _put(self, action: PutCode) -> Outcome:
        path = action.path
        if not path or not self._is_plausible(path):
            path = await self._guess(path, action.content)
        return await asyncio.to_thread(self._put_into, path, action.content)

    def _is_plausible(self, path: str) -> bool:
        """Tell whether there is such a file, or at least the folder for it."""
        place = locate(self._worktree.path, path)
        return place.exists() or place.parent.exists()

    def _put_into(self, path: str, content: str) -> Outcome:
        place = self._writable(path)
        old = self._text(path) if place.is_file() else ""
        try:
            return self._write(path, splice(old, content, path))
        except BadAnswer as error:
            raise Refused(str(error)) from error

    async def _guess(self, path: str, content: str) -> str:
        """Return the only file that has definitions of the same names, where `path` is empty or made up."""
        wanted = {piece.name for piece in outline(content, "python") or () if piece.sort in {"function", "class"}}
        _, listing = await self._grep("-E", "|".join(map(re.escape, sorted(wanted))), ".") if wanted else (1, "")
        paths = sorted({line.split(":", 1)[0] for line in listing.splitlines()})
        homes = [home for home in paths if wanted & self._defined(home)]
        if path:
            same = [home for home in homes if home.rsplit("/", 1)[-1] == path.rsplit("/", 1)[-1]]
            return same[0] if len(same) == 1 else path  # a new file in a new folder
        if len(homes) != 1:
            found = f" It could belong to {', '.join(homes[:5])}." if homes else ""
            raise Refused(
                f"It isn't said for which file the code is.{found} Name its path in a comment in its first line."
            )
        return homes[0]

    def _defined(self, path: str) -> set[str]:
        language = language_of(path)
        pieces = outline(self._text(path), language) if language else None
        return {name for piece in pieces or () for name in (piece.name, *(m.name for m in piece.members))}

    # --- the rest -----------------------------------------------------------------------------------

    async def _run(self, action: Run) -> Outcome:
        try:
            execution = await self.bench.run(action.command, self._run_seconds)
        except (SandboxUnavailable, EnvironmentFailed) as error:
            return Outcome(f"Commands can't be run here: {error} Go on without.", ok=False, broken=str(error))
        end = f"exit code {execution.exit_code}"
        if execution.timed_out:
            end = f"stopped after {self._run_seconds:.0f} seconds"
        return Outcome(
            f"{clip(execution.output.rstrip(), MAX_OUTPUT, keep_end=True)}\n({end})".lstrip("\n"), touched=True
        )

    async def _done(self, action: Done) -> Outcome:
        if self._role.must_change:
            changes = await self._worktree.changes()
            if not any(fits(change.path, self._role.must_change) for change in changes):
                globs = ", ".join(self._role.must_change[:6])
                raise Refused(f"The task isn't done: the role {self._role.role} has to change one of {globs}.")
        return Outcome(action.summary)


def grep(root: Path, kind: str, pattern: str, below: str) -> tuple[int, str]:
    """Let git search, in a process of its own that a hostile pattern or a huge repository can't keep busy for long."""
    command = [
        "git", "grep", "-n", "-I", "--no-index", "--exclude-standard", "--no-color", "--no-textconv",
        "--max-count=20", kind, "-e", pattern, "--", below,
    ]  # fmt: skip
    environment = {"PATH": os.environ.get("PATH", os.defpath), **GREP_ENVIRONMENT}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, cwd=root, env=environment, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet
    ) as process:
        stop = threading.Timer(SEARCH_SECONDS, process.kill)
        stop.start()
        output = process.stdout.read(MAX_OUTPUT * 4) if process.stdout else b""
        stop.cancel()
        if len(output) == MAX_OUTPUT * 4:
            process.kill()  # there is more than will be shown
    if process.returncode == -signal.SIGKILL and len(output) < MAX_OUTPUT * 4:
        raise Refused("The search took too long: use a simpler pattern.")
    return (0 if output else process.returncode), output.decode("utf-8", "replace")


def _endings(part: str, text: str) -> str:
    """Return `part` with the line ends of the file, which models don't see."""
    return part.replace("\r\n", "\n").replace("\n", "\r\n") if "\r\n" in text else part


def numbered(lines: Sequence[str], start: int) -> str:
    """Return lines with their numbers."""
    return "\n".join(f"{number:>5}  {line[:MAX_LINE]}" for number, line in enumerate(lines, start))


def replace_once(text: str, old: str, new: str) -> str:
    """Replace the only occurrence of `old`; raise `Refused` that shows the nearest lines when there isn't one.

    Where it doesn't occur exactly, lines that differ only in white space count as equal.
    """
    count = text.count(old)
    if count == 1:
        return text.replace(old, new)
    if count > 1:
        raise Refused(f"`old` occurs {count} times. Take more of the lines around it, so that it occurs once.")
    lines, wanted = text.splitlines(keepends=True), [_bare(line) for line in old.strip("\n").splitlines()]
    places = [
        place
        for place in range(len(lines) - len(wanted) + 1)
        if [_bare(line) for line in lines[place : place + len(wanted)]] == wanted
    ]
    if len(places) != 1:
        raise Refused(f"`old` doesn't occur in the file. The most similar lines are:\n{nearest(text, old)}")
    found = lines[places[0] : places[0] + len(wanted)]
    fitted = _reindent(new.strip("\n"), old.strip("\n"), "".join(found))
    ending = "\n" if found[-1].endswith("\n") else ""
    return "".join([*lines[: places[0]], fitted + ending, *lines[places[0] + len(wanted) :]])


def in_margin(text: str, old: str, new: str) -> str:
    """Return `new` with its later lines moved to the margin of the line in which `old` begins."""
    before = text[: text.find(old)].rpartition("\n")[2] if old in text else "?"
    if before.strip():
        return new  # `old` begins in the middle of a line
    first, *rest = new.split("\n")
    return "\n".join([first, *(before + line if line.strip() else line for line in rest)])


def _bare(line: str) -> str:
    return " ".join(line.split())


def _margin(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return first[: len(first) - len(first.lstrip())]


def _reindent(new: str, old: str, found: str) -> str:
    """Shift `new` as far as the place found is shifted against `old`."""
    was, now = _margin(old), _margin(found)
    if was == now:
        return new
    return "\n".join(now + line.removeprefix(was) if line.strip() else line for line in new.splitlines())


def nearest(text: str, old: str) -> str:
    """Return the lines of `text` most like `old`, numbered."""
    lines, wanted = text.splitlines(), old.strip("\n").splitlines()
    first = next((line for line in wanted if line.strip()), "").strip()
    close = difflib.get_close_matches(first, [line.strip() for line in lines[:5000]], n=1, cutoff=0.3)
    if not close:
        return numbered(lines[:20], 1)
    at = next(number for number, line in enumerate(lines) if line.strip() == close[0])
    start = max(0, at - 3)
    return numbered(lines[start : at + min(len(wanted), 20) + 3], start + 1)
