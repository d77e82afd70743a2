"""The `fast` recipes on 10,000 images of CIFAR-10, three seeds: `make results-fast DATA=cifar10/`.

A teacher, then students alone and by three losses, embeddings of 16 and 64 numbers, and networks
made robust, each in a folder below ``runs/fast``. What was measured is kept in ``results/fast``:
the results of every run, the environment, and the tables made from them. Two runs at a time, one
core each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from torchlgg.evaluation import compare, summarize
from torchlgg.records import Result, RunFolder, find_runs
from torchlgg.reports import paired_report, render_markdown

HERE = Path(__file__).resolve().parent
OUT = Path("runs/fast")
STUDENTS = ("fast/hkd", "fast/rkd", "fast/gkd")
CLASSIFIERS = ("fast/classify", *STUDENTS, "fast/r", "fast/pr")
EMBEDDINGS = ("fast/embed-16", "fast/embed")


def train(data: str, *, images: int, seeds: str) -> None:
    """Train what is not trained yet: a teacher and its students, and beside them all others."""
    common = ["--data", data, "--set", f"data.limit={images}", "--out", str(OUT), "--seeds"]
    weights = str(OUT / "fast" / "teacher" / "seed-0" / "model.safetensors")
    others = [name for name in (*CLASSIFIERS, *EMBEDDINGS) if name not in STUDENTS]
    with ThreadPoolExecutor() as pool:
        beside = pool.submit(lgg, "train", *others, *common, seeds)
        lgg("train", "fast/teacher", *common, "0")
        lgg("train", *STUDENTS, *common, seeds, "--teacher-weights", weights)
        beside.result()


def lgg(*words: str) -> None:
    """One command, shown, on one core."""
    print("$ lgg", *words, flush=True)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "torchlgg", *words], check=True, env=environment)


def collect(folder: Path) -> None:
    """Keep what the runs measured, and the tables that follow from it."""
    runs = [RunFolder.open(place) for place in find_runs(OUT)]
    runs.sort(key=lambda run: run.info.created)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [result.to_json() for run in runs for result in run.results()]
    (folder / "results.jsonl").write_text("".join(line + "\n" for line in lines))
    began = min(datetime.fromisoformat(run.info.created) for run in runs)
    ended = max(datetime.fromisoformat(run.info.ended or run.info.created) for run in runs)
    seconds = sum(row["seconds"] for run in runs for row in run.metrics())
    about = {
        "command": "make results-fast DATA=path/to/cifar10",
        "runs": len(runs),
        "minutes": round((ended - began).total_seconds() / 60, 1),
        "minutes of training on one core": round(seconds / 60, 1),
        "commits": sorted({str(run.info.commit) for run in runs}),
        "environment": runs[-1].info.environment.model_dump(mode="json"),
    }
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    found = [result for run in runs for result in run.results() if "recipe" in result.tags]
    last = [result for result in found if not result.task.endswith("best on validation")]
    text = (
        f"{about['runs']} runs in {about['minutes']} minutes; together "
        f"{about['minutes of training on one core']} minutes of training on one core.\n\n"
    )
    text += tables([r for r in last if r.tags["recipe"] in CLASSIFIERS], "error")
    text += "\n" + tables([r for r in last if r.tags["recipe"] in EMBEDDINGS], "10-NN error")
    (folder / "tables.md").write_text(text)
    print(text)


def tables(results: list[Result], measurement: str) -> str:
    """Means over seeds, and paired tests."""
    found = paired_report(summarize(results), compare(results, measurement=measurement))
    return "\n".join(render_markdown(table) for table in found)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, help="CIFAR-10, in any form that lgg reads")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--seeds", default="0-2")
    asked = parser.parse_args()
    train(asked.data, images=asked.images, seeds=asked.seeds)
    collect(HERE / "fast")


if __name__ == "__main__":
    main()
