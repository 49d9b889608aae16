"""Commands stand at the start of a line; everything else in a comment is for people."""

import pytest

from app.domain.commands import COMMANDS, TABLE, WORD, Asked, Misread, Name, dump, load, overview, read


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        ("/aurora pause", [Asked(Name.pause)]),
        ("/Aurora  Pause.", [Asked(Name.pause)]),
        ("Let's wait.\n/aurora pause\r\n\nThanks!", [Asked(Name.pause)]),
        ("  /aurora resume, please", [Asked(Name.resume)]),
        ("/aurora approve LGTM", [Asked(Name.approve)]),
        ("/aurora budget 10\n/aurora resume", [Asked(Name.budget, "10"), Asked(Name.resume)]),
        ("/aurora budget $2.50", [Asked(Name.budget, "2.50")]),
        ("/aurora budget 12 USD.", [Asked(Name.budget, "12")]),
        ("/aurora budget US$ 3", [Asked(Name.budget, "3")]),
        ("```\nsome code\n```\n/aurora pause", [Asked(Name.pause)]),
    ],
)
def test_what_is_a_command(comment: str, found: list[Asked]):
    assert read(comment) == found
    assert load(dump(found)) == found


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "please /aurora pause",
        "> /aurora pause",
        "`/aurora pause`",
        "    /aurora pause",
        "\t/aurora pause",
        "```\n/aurora pause\n```",
        "~~~~ sh\n/aurora pause\n~~~\n/aurora resume",
        "````\n```\n/aurora pause\n```\n````",
        "```\nnever closed\n/aurora pause",
        "<!-- /aurora pause -->",
        "<!--\n/aurora pause\n-->",
        "/auroras pause",
        "/aurora-dev pause",
        "- /aurora pause",
    ],
)
def test_what_is_no_command(comment: str):
    assert read(comment) == []


@pytest.mark.parametrize(
    ("comment", "words"),
    [
        ("/aurora resum", "There is no command `/aurora resum`. Did you mean `/aurora resume`?"),
        ("/aurora buget 5", "Did you mean `/aurora budget <amount>`?"),
        ("/aurora", "`/aurora` alone does nothing. The commands are `/aurora help`, `/aurora status`,"),
        ("/aurora fly", "There is no command `/aurora fly`. The commands are"),
        ("/aurora budget", "I can't read `/aurora budget` alone: write `/aurora budget <amount>`, such as"),
        ("/aurora budget a lot", "I can't read `/aurora budget a lot`: write"),
        ("/aurora budget 1,000", "I can't read"),
        ("/aurora budget -5", "I can't read"),
        ("/aurora budget nan", "I can't read"),
        ("/aurora budget 1e9", "I can't read"),
        ("/aurora budget `@everyone` <b> #1", "`/aurora budget everyone b 1`"),
    ],
)
def test_what_looks_like_one_is_answered_with_the_nearest(comment: str, words: str):
    (found,) = read(comment)
    assert isinstance(found, Misread)
    assert words in found.problem
    assert load(dump([found])) == [found]


def test_every_command_is_in_the_table_and_reads_as_its_help_shows_it():
    assert [command.name for command in TABLE] == list(Name)
    for command in TABLE:
        (found,) = read(f"{WORD} {command.name} {command.example}")
        assert found == Asked(command.name, command.example)
        assert command.usage in overview()
        assert command.help[0].islower()
        assert not command.help.endswith(".")
        assert COMMANDS[command.name] is command
