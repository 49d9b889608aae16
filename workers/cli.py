"""The command line: `aurora`, in the words that its help shows."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from app import logs
from app.errors import AuroraError
from app.settings import Settings, read_settings

FAILED = 1

Handler = Callable[[argparse.Namespace], Coroutine[Any, Any, int]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and end with its status; what goes wrong is one line."""
    options = _parser().parse_args(arguments)
    handler: Handler = options.handler
    try:
        sys.exit(asyncio.run(handler(options)))
    except AuroraError as error:
        print(f"aurora: {error}", file=sys.stderr)
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aurora", description="A labelled GitHub issue becomes a merged pull request, or an honest reason why not."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    demo = _command(commands, "demo", _demo, "the whole system on a sample issue, with a local GitHub")
    _data(demo)

    run = _command(commands, "run", _run, "the whole system on a copy of a local repository")
    run.add_argument("--repo", type=Path, required=True, metavar="PATH", help="a git repository; it is only read")
    run.add_argument(
        "--issue", type=Path, required=True, metavar="FILE.md", help="the issue: first line title, rest text"
    )
    run.add_argument("--model", metavar="PROVIDER:MODEL", help="instead of AURORA_MODEL")
    run.add_argument("--merge", choices=["auto", "on-approval", "never"], help="instead of the repository's policy")
    run.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    _data(run)

    local = _command(commands, "local", _local, "everything in one process tree, until it is stopped")
    _data(local)

    hub = _command(commands, "hub", _hub, "only the local GitHub")
    hub.add_argument("--port", type=int, default=0, metavar="N")
    hub.add_argument("--import", dest="imports", type=Path, metavar="PATH", help="publish a local repository …")
    hub.add_argument("--as", dest="name", metavar="OWNER/NAME", help="… under this name")
    hub.add_argument("--faults", metavar="NAME[=…],…", help="what is to go wrong, of the table in docs/hub.md")
    _data(hub)

    _command(commands, "serve", _serve, "the web server: webhooks, dashboard, projects API, metrics")
    _command(commands, "work", _work, "a worker; start as many as you like")
    _command(commands, "migrate", _migrate, "bring the database to the present schema")
    _command(commands, "doctor", _doctor, "look at the settings and say what is missing")
    return parser


def _command(commands: Any, name: str, handler: Handler, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(handler=handler)
    return parser


def _data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, metavar="DIR", help="where everything is kept (default: .aurora)")


async def _demo(options: argparse.Namespace) -> int:
    from workers.local.demo import demo

    return await demo(options.data)


async def _run(options: argparse.Namespace) -> int:
    from workers.local.run import Request, run

    request = Request(options.repo, options.issue, options.model, options.merge, options.data, as_json=options.json)
    return await run(request)


async def _local(options: argparse.Namespace) -> int:
    from workers.local.run import local

    return await local(options.data)


async def _hub(options: argparse.Namespace) -> int:
    from workers.local.run import hub

    return await hub(options.data, options.port, options.imports, options.name, options.faults)


async def _serve(_: argparse.Namespace) -> int:
    from app.web.main import serve

    await serve(_settings())
    return 0


async def _work(_: argparse.Namespace) -> int:
    from workers.main import work

    ready = os.environ.get("AURORA_READY_FILE")
    await work(_settings(), Path(ready) if ready else None)
    return 0


async def _migrate(_: argparse.Namespace) -> int:
    from app.storage import migrate
    from workers.saver import prepare_saver

    settings = _settings()
    applied = await migrate(settings.database())
    await prepare_saver(settings.database())
    print(f"Applied: {', '.join(applied)}" if applied else "The schema is up to date.")
    return 0


async def _doctor(_: argparse.Namespace) -> int:
    from workers.doctor import examine

    return await examine(read_settings())


def _settings() -> Settings:
    settings = read_settings()
    logs.configure(settings.log_level)
    logs.hide(*settings.secrets(os.environ))
    return settings


if __name__ == "__main__":
    main()
