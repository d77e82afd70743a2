"""Many runs, a few at once, each in a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Sequence
from types import FrameType

from rich.console import Console

from torchlgg.cli._queue_job import Child, Job, Outcome, Status
from torchlgg.cli._queue_screen import QueueScreen
from torchlgg.cli._stop import TimeBudget, handled_by
from torchlgg.core import InputError

_BEAT = 0.1
_LEFT_BEHIND = 30.0  # seconds that what a killed process left behind may take to go
_PROGRAM = (sys.executable, "-m", "torchlgg")


def run_queue(
    jobs: Sequence[Job],
    *,
    parallel: int,
    console: Console,
    go_on: str,
    gpus: Sequence[str] = (),
    budget: TimeBudget | None = None,
    program: Sequence[str] = _PROGRAM,
) -> list[Outcome]:
    """Run every job, so many at once, each in a process of its own whose output is its log.

    A run that is finished is kept, one that was stopped is resumed, one that another process is
    at work on is left alone: the same jobs may be asked for again at any time. A process that is
    killed (out of memory, ``kill -9``) is resumed once; one that fails is not. The others go on
    in either case.

    Ctrl-C and SIGTERM are passed on as SIGTERM; the processes save their state and end, and what
    has not begun does not begin. A second Ctrl-C kills them. If the queue itself is killed, its
    processes go on to the end of their runs, and asking again leaves them alone.

    Args:
        jobs: each with a folder of its own.
        parallel: how many at once, at least 1. Unless OMP_NUM_THREADS is set, each gets an equal
            share of the processors.
        console: where the progress is shown.
        go_on: the command that asks again, for the last line.
        gpus: values for CUDA_VISIBLE_DEVICES, dealt out in turn; empty: it is left as it is.
        budget: for all together; each process is told what is left when it begins.
        program: what comes before a job's words.

    Returns:
        One outcome a job, in their order.

    Raises:
        InputError: before anything is started: no place for a process, two jobs with one folder,
            or a folder that holds something other than the run that is asked for.
    """
    if parallel < 1:
        raise InputError(f"`--jobs` must be at least 1, got {parallel}")
    folders = [job.folder.resolve() for job in jobs]
    for place, job in enumerate(jobs):
        if folders.index(folders[place]) != place:
            raise InputError(f"two of the runs asked for have the folder {str(job.folder)!r}")
        job.check()
    queue = _Queue(
        jobs,
        parallel=min(parallel, max(1, len(jobs))),
        screen=QueueScreen(console),
        gpus=gpus,
        budget=TimeBudget(None) if budget is None else budget,
        program=program,
    )
    outcomes = queue.run()
    left = [o for o in outcomes if o.status not in ("finished", "kept")]
    if left:
        words = {"interrupted": "interrupted", "failed": "failed", "busy": "at work elsewhere"}
        counts = [
            f"{sum(o.status == status for o in left)} {words.get(status, 'not started')}"
            for status in dict.fromkeys(o.status for o in left)
        ]
        done = len(outcomes) - len(left)
        console.print(
            f"{done} of {len(outcomes)} runs are finished, {', '.join(counts)}; go on with "
            f"`{go_on}`",
            markup=False,
        )
    return outcomes


def queue_exit_code(outcomes: Sequence[Outcome]) -> int:
    """What the command ends with: 0 unless a job failed or a signal came."""
    return max((outcome.exit_code for outcome in outcomes), default=0)


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them.

    Raises:
        InputError: there is none.
    """
    import torch

    count = torch.cuda.device_count()
    if count == 0:
        raise InputError("`--jobs-per-gpu` needs a GPU that torch can use; pass `--jobs`")
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [str(i) for i in range(count)] if named is None else named.split(",")[:count]


class _Queue:
    """The jobs that wait, those that run, and how the others came out."""

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        parallel: int,
        screen: QueueScreen,
        gpus: Sequence[str],
        budget: TimeBudget,
        program: Sequence[str],
    ) -> None:
        self._jobs = jobs
        self._waiting = deque(jobs)
        self._running: list[Child] = []
        self._outcomes: dict[Job, Outcome] = {}
        self._killed_at: dict[Job, float] = {}
        self._free = list(range(parallel))
        self._parallel = parallel
        self._screen = screen
        self._gpus = gpus
        self._budget = budget
        self._program = program

    def run(self) -> list[Outcome]:
        stops = _Stops()
        told = False
        with stops.counted(), self._screen.shown():
            try:
                while self._running or self._waiting:
                    if stops.first is None:
                        self._start()
                    elif not told:
                        told = True
                        self._end(stops.first)
                    if stops.killing:
                        for child in self._running:
                            child.kill()
                    self._reap(stops.first)
                    self._screen.look(child.job for child in self._running)
                    if self._running or self._waiting:
                        time.sleep(_BEAT)
            finally:
                for child in self._running:  # something went wrong here: they can be resumed
                    child.stop()
        return [self._outcomes[job] for job in self._jobs]

    def _start(self) -> None:
        for job in list(self._waiting):
            if not self._free:
                return
            if self._budget.remaining <= 0:
                self._settle(job, "waiting", "the time budget is over")
                self._waiting.remove(job)
                continue
            if self._begin(job):
                self._waiting.remove(job)

    def _begin(self, job: Job) -> bool:
        """Start the job's process, or find that there is nothing to start; else, try again."""
        settled = job.settled()
        if settled is None:
            try:
                self._launch(job)
                return True
            except BlockingIOError:
                settled = Outcome(job=job, status="busy", reason=f"a process writes to {job.log}")
            except InputError as error:
                settled = Outcome(job=job, status="failed", reason=str(error))
        killed_at = self._killed_at.get(job)
        if (
            settled.status == "busy"
            and killed_at is not None
            and time.monotonic() < killed_at + _LEFT_BEHIND
        ):
            return False
        self._settle(job, settled.status, settled.reason)
        return True

    def _launch(self, job: Job) -> None:
        resumed = job.exists
        words = job.resume if resumed else job.start
        if self._budget.remaining < float("inf"):
            words = (*words, "--time-budget", f"{max(1, round(self._budget.remaining))}s")
        slot = min(self._free)
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        environment.setdefault("OMP_NUM_THREADS", str(max(1, _processors() // self._parallel)))
        if self._gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self._gpus[slot % len(self._gpus)]
        self._running.append(
            Child(job, [*self._program, *words], environment=environment, slot=slot)
        )
        self._free.remove(slot)
        self._screen.began(job, resumed=resumed)

    def _end(self, number: int) -> None:
        for child in self._running:
            child.stop()
        for job in self._waiting:
            status: Status = "interrupted" if job in self._killed_at else "waiting"
            self._settle(job, status, exit_code=128 + number)
        self._waiting.clear()
        if self._running:
            self._screen.say(
                f"{signal.Signals(number).name}: waiting for {len(self._running)} running jobs to "
                "save their state; Ctrl-C once more kills them"
            )

    def _reap(self, stopped_by: int | None) -> None:
        for child in list(self._running):
            code = child.poll()
            if code is None:
                continue
            self._running.remove(child)
            self._free.append(child.slot)
            self._judge(child, code, stopped_by)

    def _judge(self, child: Child, code: int, stopped_by: int | None) -> None:
        job, line = child.job, child.last_line()
        settled = job.settled()
        if settled is not None and settled.status == "kept":
            self._settle(job, "finished")
        elif stopped_by is not None and (code < 0 or code > 128):
            self._settle(job, "interrupted", exit_code=128 + stopped_by)
        elif code in (-signal.SIGTERM, -signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGINT):
            self._settle(job, "interrupted", "its process was asked to end")
        elif code == 0 and job.exists:  # its time is over; the line says so
            self._settle(job, "interrupted", line)
        elif code < 0 and job not in self._killed_at:
            self._killed_at[job] = time.monotonic()
            self._waiting.appendleft(job)
            self._screen.again(job, f"killed by {signal.Signals(-code).name}, will be resumed")
        else:
            how = f"killed again, by {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
            self._settle(job, "failed", f"{how}; {line}" if line else how)

    def _settle(self, job: Job, status: Status, reason: str = "", *, exit_code: int = 0) -> None:
        code = 1 if status == "failed" else exit_code
        outcome = Outcome(job=job, status=status, reason=reason, exit_code=code)
        self._outcomes[job] = outcome
        self._screen.ended(outcome)


class _Stops:
    """The signals that came: the first ends the queue in order, a Ctrl-C after it kills."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.killing = False

    def counted(self) -> contextlib.AbstractContextManager[None]:
        """Count them during the block, in the main thread."""
        return handled_by(self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.first is None:
            self.first = number
        elif number == signal.SIGINT:  # `timeout` sends SIGTERM twice
            self.killing = True


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux can say what this process may use
        return os.cpu_count() or 1
