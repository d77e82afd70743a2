"""The code blocks of a Markdown page, run in their order as one program."""

from __future__ import annotations

import doctest
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for path in [*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")]
    if not {"_build", "reference"} & set(path.parts)
)

# what a page may show; anything else could hide an example from the test
LANGUAGES = {"python", "pycon", "console", "text"}


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    language: str
    line: int  # of its first line of code, from 1
    source: str


def blocks(text: str) -> list[Block]:
    """Every fenced block of a page, but not MyST's directives."""
    found = []
    for match in re.finditer(r"^(`{3,})([^\n]*)\n(.*?)^\1$", text, flags=re.M | re.S):
        line = text.count("\n", 0, match.start()) + 2
        if not match[2].startswith("{"):
            found.append(Block(match[2].strip(), line, match[3]))
    return found


def run_page(path: Path) -> int:
    """Run the ``python`` and ``pycon`` blocks of a page; what these print must be what they show.

    Returns:
        How many blocks there were.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    count = 0
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.language == "python":
            code = "\n" * (block.line - 1) + block.source  # tracebacks name the line of the page
            exec(compile(code, str(path), "exec"), names)
        elif block.language == "pycon":
            _compare(block, path, names)
        else:
            continue
        count += 1
    return count


def _compare(block: Block, path: Path, names: dict[str, Any]) -> None:
    parser = doctest.DocTestParser()
    test = parser.get_doctest(block.source, names, path.name, str(path), block.line - 1)
    said: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=said.append, clear_globs=False)
    if result.failed:
        raise AssertionError("".join(said))
    names.update(test.globs)


def commands(path: Path) -> list[str]:
    """The command lines of a page's ``console`` blocks, after their ``$``, joined where split."""
    found = []
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.language == "console":
            source = block.source.replace("\\\n", " ")
            found += [line[2:] for line in source.splitlines() if line.startswith("$ ")]
    return found
