"""A process that loads torchlgg once and forks runs of ``lgg`` from it, for tests that kill them.

A request is a line of JSON: words of the command, the folder whose changes are counted, the count
at which the child kills itself (before it makes that change), and where its output goes.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path


class Nursery:
    """Runs of ``lgg``, one at a time, each in a process of its own."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.training.faults"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        assert self._read() == "ready"

    def close(self) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=60)

    def start(
        self, *words: object, folder: Path, die_at: int = 0, largest_file: int | None = None
    ) -> int:
        """Begin a run; its process id, which stays its own until :meth:`wait`."""
        request = {
            "words": [str(word) for word in words],
            "folder": str(folder),
            "die_at": die_at,
            "largest_file": largest_file,
            "log": str(self._log),
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._read())

    def wait(self) -> int:
        """The exit code of the run, negative for a signal."""
        self._process.stdin.write("wait\n")
        self._process.stdin.flush()
        return int(self._read())

    def run(self, *words: object, folder: Path, die_at: int = 0, largest_file=None) -> int:
        self.start(*words, folder=folder, die_at=die_at, largest_file=largest_file)
        return self.wait()

    def log(self) -> str:
        return self._log.read_text()

    def _read(self) -> str:
        return self._process.stdout.readline().strip()


def _child(request: dict) -> None:
    changes = 0

    def count(event: str, arguments: tuple) -> None:
        nonlocal changes
        if event == "open":
            path, _, flags = arguments
            if not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event in ("os.rename", "os.remove", "os.mkdir", "os.truncate"):
            path = arguments[0]
        else:
            return
        if isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(
            request["folder"]
        ):
            changes += 1
            if changes == request["die_at"]:
                os.kill(os.getpid(), signal.SIGKILL)

    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if request["largest_file"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["largest_file"],) * 2)
    sys.addaudithook(count)
    sys.argv = ["lgg", *request["words"]]
    from torchlgg.cli import main

    code = 1
    try:
        main()
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _serve() -> None:
    import torch

    import torchlgg.cli._train  # noqa: F401  (what every run would load)
    from torchlgg.data import open_images

    torch.set_num_threads(1)
    open_images("digits")
    print("ready", flush=True)
    child = 0
    for line in sys.stdin:
        if line.strip() == "wait":
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            continue
        child = os.fork()
        if child == 0:
            _child(json.loads(line))
        print(child, flush=True)


if __name__ == "__main__":
    _serve()
