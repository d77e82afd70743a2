"""What the pages show is what happens: their examples run, their commands and verbs exist."""

from __future__ import annotations

import re
import shlex

import pytest
import typer

from tests.docs.examples import LANGUAGES, PAGES, PROJECT, blocks, commands, run_page
from torchlgg.cli._app import app

NAMES = [str(path.relative_to(PROJECT)) for path in PAGES]
COMMANDS = [
    (name, line) for name, path in zip(NAMES, PAGES, strict=True) for line in commands(path)
]


@pytest.mark.parametrize("name", NAMES)
def test_examples_run_and_print_what_they_show(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_page(PROJECT / name)


@pytest.mark.parametrize("name", NAMES)
def test_no_example_is_hidden_from_the_test(name):
    text = (PROJECT / name).read_text(encoding="utf-8")
    assert {block.language for block in blocks(text)} <= LANGUAGES
    fences = re.findall(r"^`{3,}", text, flags=re.M)
    directives = re.findall(r"^`{3,}\{", text, flags=re.M)
    assert len(fences) == 2 * (len(blocks(text)) + len(directives))


def test_there_are_examples():
    assert sum(len(blocks(path.read_text(encoding="utf-8"))) for path in PAGES) > 20


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        ("```pycon\n>>> 1 + 1\n3\n```\n", "Expected:\n    3\nGot:\n    2"),
        ("```python\nassert False, 'no'\n```\n", "no"),
        ("```python\nx = 1\n```\ntext\n```pycon\n>>> x\n2\n```\n", "Got:\n    1"),
    ],
    ids=["output", "program", "shared names"],
)
def test_a_wrong_example_fails(page, complaint, tmp_path):
    path = tmp_path / "page.md"
    path.write_text(page)
    with pytest.raises(AssertionError) as failure:
        run_page(path)
    assert complaint in str(failure.value)


@pytest.mark.parametrize(("name", "line"), COMMANDS, ids=[f"{n}: {c}" for n, c in COMMANDS])
def test_commands_exist_with_their_options(name, line):
    program, *words = shlex.split(line, comments=True)
    if program == "lgg":
        parse(words)
    elif program == "make":
        makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
        assert re.search(rf"^{re.escape(words[0])}:", makefile, flags=re.M), line
    else:
        assert program in ("pip", "cd", "git"), f"{name} shows {program!r}, which nothing checks"


def test_an_unknown_option_fails():
    with pytest.raises(Exception, match="--tepmerature"):
        parse(["distill", "--data", "digits", "--tepmerature", "4"])


def parse(words: list[str]) -> None:
    """Read the words as ``lgg`` would, without doing anything."""
    verb, *options = words
    command = typer.main.get_command(app).commands[verb]
    command.make_context(verb, options)
