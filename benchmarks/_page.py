"""The page of figures, drawn from the records alone."""

from __future__ import annotations

import json
from pathlib import Path

HEAD = """# Speed

What the losses cost, forward and backward, and how fast training is, from the records in
`benchmarks/results`.
`python -m benchmarks` measures again; `python -m benchmarks --page` draws this page. Every figure
is a median over rounds in which all forms ran in turn, with its quartiles; the contract is in
`benchmarks/README.md`. A line that falls short of its target says so.

What is summed and never built: the complete cosine graph in graph distillation and in smoothness
variation, and the row-normalised products of SP, where that costs less
([0007](decisions/0007-complete-graphs-by-sums.md)). What is made a tile of rows at a time, within
`max_memory`: angles always; distances, kernels, neighbours and every other graph of power 1 where
the matrices do not fit ([0008](decisions/0008-memory-is-a-bound.md)). The formulas are under
[Losses](losses.md).
"""


def write_page(results: Path, page: Path) -> Path:
    """All records as tables, into one file."""
    parts = [HEAD]
    for path in sorted(results.glob("*.json")):
        record = json.loads(path.read_text())
        machine = record["machine"]
        parts.append(f"## {machine['cpu']}\n")
        for name, case in record["cases"].items():
            parts.append(f"### {name.capitalize()}\n")
            parts.append(
                f"torch {case['torch']}, {case['threads']} threads, {case['clock']}, "
                f"{case['day']}; load of the machine before: {case['load before']}.\n"
            )
            lines = [
                "| measure | ours | quartiles | target | |",
                "| --- | ---: | ---: | ---: | --- |",
            ]
            for row in case["rows"]:
                mark = {True: "met", False: "**falls short**", None: ""}[row["met"]]
                said = "; ".join(text for text in (mark, row["note"]) if text)
                lines.append(
                    f"| {row['measure']} | {row['ours']} | {row['spread']} | {row['target']} "
                    f"| {said} |"
                )
            parts.append("\n".join(lines) + "\n")
            times = {key: ms for row in case["rows"] for key, ms in row["details"].items()}
            if times:
                listed = ", ".join(
                    f"{key.removesuffix(' (ms)')} {ms:g} ms" for key, ms in times.items()
                )
                parts.append(f"Medians: {listed}.\n")
    page.write_text("\n".join(parts))
    return page
