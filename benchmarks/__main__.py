"""Run the suite, keep its record, draw its page."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import time
from pathlib import Path

from benchmarks._page import write_page

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes, nothing kept: a smoke run"
    )
    parser.add_argument("--page", action="store_true", help="only draw docs/speed.md again")
    parser.add_argument("--only", metavar="CASE", help="the cases whose name holds this text")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of records")
    parser.add_argument(
        "--shared-machine",
        action="store_true",
        help="one thread and processor time instead of wall time, where others use the machine",
    )
    options = parser.parse_args()
    if options.shared_machine:  # in the environment, so that child processes do the same
        os.environ |= {"OMP_NUM_THREADS": "1", "BENCHMARK_CLOCK": "cpu"}
    if not options.page:
        measure(options)
    if not options.quick:
        print("drew", write_page(options.results, HERE.parent / "docs" / "speed.md"))


def measure(options: argparse.Namespace) -> None:
    import torch

    from benchmarks._cases import CASES
    from benchmarks._measure import LeftOut
    from torchlgg.records import environment

    torch.manual_seed(0)
    machine = environment()
    path = options.results / (slug(str(machine.cpu)) + ".json")
    kept = json.loads(path.read_text())["cases"] if path.exists() else {}
    chosen = {name: case for name, case in CASES.items() if (options.only or "") in name}
    for place, (name, case) in enumerate(chosen.items(), 1):
        print(f"[{place}/{len(chosen)}] {name} ...", flush=True)
        start, load = time.perf_counter(), os.getloadavg()[0]
        try:
            rows = case(options.quick)
        except LeftOut as why:
            print(f"    left out: {why}", flush=True)
            continue
        for row in rows:
            mark = {True: "met", False: "short", None: ""}[row.met]
            print(f"    {row.measure}: {row.ours} ({row.spread}) {row.target} {mark}", flush=True)
        print(f"    {time.perf_counter() - start:.0f} s", flush=True)
        kept[name] = {
            "load before": round(load, 2),
            "clock": "processor time" if options.shared_machine else "wall time",
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "day": time.strftime("%Y-%m-%d"),
            "rows": [dataclasses.asdict(row) for row in rows],
        }
        if options.quick:
            continue
        record = {"machine": machine.model_dump(mode="json"), "cases": kept}
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "unknown"


if __name__ == "__main__":
    main()
