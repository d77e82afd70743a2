"""What the tests of the queue start: a run that does as its plan says, and a queue to kill.

``python queued.py start|resume FOLDER PLAN [--time-budget 9s]`` is a run; each process of it adds a
line to ``FOLDER.pids``. ``python queued.py queue PARALLEL FOLDER=PLAN...`` is a queue of them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from torchlgg.records import DataDescription, Measurement, Result, RunFolder

EPOCHS = 4


def run(mode: str, folder: Path, plan: str, words: list[str]) -> None:
    note = {
        "pid": os.getpid(),
        "mode": mode,
        "words": words,
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "gpu": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }
    pids = folder.with_name(f"{folder.name}.pids")
    with open(pids, "a") as file:
        file.write(json.dumps(note) + "\n")
    print(f"{mode} of {folder.name}")
    if plan == "bad":
        print("lgg: `--epochs` must be at least 1, got 0\n", file=sys.stderr)
        sys.exit(2)
    if plan == "early":  # killed before there is a run folder
        if mode == "start" and len(pids.read_text().splitlines()) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        plan = "finish"
    if mode == "start":
        record = RunFolder.create(folder, command="lgg train", config={"plan": plan})
    else:
        record = RunFolder.open(folder)
    with record.locked():
        if mode == "resume":
            record.resume()
        asked = []
        if plan != "deaf":
            signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
        else:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        record.append_metrics({"epoch": len(record.metrics()) + 1, "validation_error": 0.25})
        if plan == "crash":
            record.finish("failed")
            raise ZeroDivisionError("the loss")
        if plan == "die" or (plan == "die-once" and mode == "start"):
            print("so far so good")
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        if plan == "orphan" and mode == "start":  # a worker that outlives a killed process
            subprocess.Popen(["sleep", "600"])
            os.kill(os.getpid(), signal.SIGKILL)
        if plan in ("hang", "deaf", "hang-once") and not (plan == "hang-once" and mode == "resume"):
            while not asked:
                time.sleep(0.01)
            record.finish("interrupted")
            sys.exit(128 + signal.SIGTERM)
        if plan == "late":
            record.finish("interrupted")
            print("the time budget of 9s is over")
            return
        for epoch in range(len(record.metrics()) + 1, EPOCHS + 1):
            record.append_metrics({"epoch": epoch, "validation_error": 0.5 / epoch})
        error = Measurement(name="error", value=5.0, unit="%", count=100, protocol="Test images.")
        data = DataDescription(source="digits", counts={"test": 100})
        tags = {"recipe": plan, "seed": "0"}
        record.write_result(
            Result(task="evaluate", subject="x", data=data, measurements=[error], tags=tags)
        )
        record.finish("finished")


def queue(parallel: int, jobs: dict[Path, str]) -> None:
    from rich.console import Console

    from torchlgg.cli._queue import queue_exit_code, run_queue

    print("ready", flush=True)
    console = Console(highlight=False, soft_wrap=True, width=200)
    made = [make_job(folder, plan) for folder, plan in jobs.items()]
    outcomes = run_queue(
        made, parallel=parallel, console=console, go_on="lgg train again", program=PROGRAM
    )
    sys.exit(queue_exit_code(outcomes))


def make_job(folder: Path, plan: str, **changes):
    from torchlgg.cli._queue_job import Job

    fields = {
        "name": folder.name,
        "folder": folder,
        "start": ("start", str(folder), plan),
        "resume": ("resume", str(folder), plan),
        "epochs": EPOCHS,
    }
    return Job(**(fields | changes))


PROGRAM = (sys.executable, str(Path(__file__).resolve()))

if __name__ == "__main__":
    if sys.argv[1] == "queue":
        pairs = (word.rsplit("=", 1) for word in sys.argv[3:])
        queue(int(sys.argv[2]), {Path(folder): plan for folder, plan in pairs})
    else:
        run(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
