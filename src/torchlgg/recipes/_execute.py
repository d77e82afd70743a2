"""A run from its first epoch to its last result, in a folder that survives anything."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from torchlgg.core import write_text_atomically
from torchlgg.evaluation import evaluate, evaluate_embeddings
from torchlgg.nets import load_weights
from torchlgg.recipes._job import Job, prepare
from torchlgg.recipes._observer import Observer
from torchlgg.recipes._plain import to_plain
from torchlgg.recipes._run_config import RunConfig
from torchlgg.recipes._train_run import BEST, MODEL, best_epoch, train
from torchlgg.records import Result, RunFolder
from torchlgg.reports import curves_figure, model_card
from torchlgg.training import EpochReport, TrainingState, predict

CARD = "card.md"
"""The file that says what the network is, for those who get it."""


def run_recipe(
    config: RunConfig,
    out: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    observer: Observer = Observer(),  # noqa: B008  (stateless)
) -> RunFolder:
    """Do a whole run: train, keep every epoch, and measure what came out.

    The folder gets ``run.json`` (the configuration), ``metrics.jsonl`` (a line an epoch),
    ``state.pt`` (all that the next epoch depends on), ``model.safetensors`` (the network after the
    last epoch), ``best.safetensors`` (after the epoch with the lowest validation error, the first
    of several), ``results.jsonl``, and ``card.md`` (what goes with the network). The test images
    are looked at after the last epoch only.

    Args:
        config: what to do.
        out: the folder, absent or empty.
        overwrite: replace an earlier run there.
        observer: told how it goes on.

    Returns:
        The finished run.

    Raises:
        InputError: something that keeps the run from beginning (nothing is written then), or
            stops it.

    Example:
        >>> import tempfile
        >>> from torchlgg.recipes import recipe, run_recipe, with_settings
        >>> config = with_settings(recipe("fast/classify"), ["data.source=digits",
        ...     "net.name=small_cnn-2", "training.epochs=1", "training.crop_padding=1"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = run_recipe(config, f"{folder}/run")
        ...     [result.task for result in run.results()]
        ['classify', 'classify, best on validation']
    """
    RunFolder.check(out, overwrite=overwrite)
    job = prepare(config, observer)
    run = create_run(job, out, command=f"run_recipe({config.recipe!r})", overwrite=overwrite)
    with run.locked():
        try:
            execute(run, job, None, observer)
        except BaseException as problem:
            run.finish("failed" if isinstance(problem, Exception) else "interrupted")
            raise
        run.finish("finished")
    return run


def create_run(
    job: Job, out: str | os.PathLike[str], *, command: str, overwrite: bool = False
) -> RunFolder:
    """The folder of a run that is about to begin.

    Args:
        job: what is about to be done.
        out: where.
        command: how a user could ask for it again.
        overwrite: replace an earlier run there.
    """
    return RunFolder.create(
        out,
        command=command,
        config=to_plain(job.config),
        seeds=[job.config.training.seed],
        gpus=gpu_names(job.device),
        overwrite=overwrite,
    )


def gpu_names(device: torch.device) -> list[str]:
    """The accelerators in use, for the record.

    Args:
        device: where a run is.
    """
    return [torch.cuda.get_device_name(device)] if device.type == "cuda" else []


def execute(run: RunFolder, job: Job, state: TrainingState | None, observer: Observer) -> None:
    """Train from the state on, and measure what came out.

    Args:
        run: the folder, locked.
        job: what to do.
        state: where the run was stopped; ``None`` is its beginning.
        observer: told how it goes on.
    """
    config, test = job.config, job.test
    observer.note(
        f"{len(job.train)} training images, {len(job.validation or ())} for validation, "
        f"{len(test)} for the test; {config.net.label} on {job.device}"
    )
    teacher, teacher_logits = job.objective.teacher, None
    if teacher is not None:
        with observer.part("teacher") as progress:
            teacher_logits = predict(teacher, test, progress=progress)
        found = evaluate(teacher, test, subject="teacher", logits=teacher_logits)
        _write_once(run, found)
        observer.note(f"teacher: {found.measurements[0]}")
    reports = train(run, job, state, observer)
    observer.note(_time_by_part(reports))
    last = _measured(job, teacher_logits, "", observer)
    _write_once(run, last)
    for measurement in last.measurements:
        observer.note(f"{last.subject}: {measurement}")
    if (best := best_epoch(reports)) is not None:
        if best != len(reports):
            load_weights(job.objective.student, run.path(BEST))
            last = _measured(job, teacher_logits, ", best on validation", observer)
        found = last.model_copy(
            update={
                "task": f"{config.task.kind}, best on validation",
                "subject": f"{_subject(job)} after epoch {best}, best on validation",
            }
        )
        _write_once(run, found)
        observer.note(f"{found.subject}: {found.measurements[0]}")
    curves_figure(run.metrics(), run.path("curves.svg"), title=config.recipe)
    card = run.path(CARD)
    write_text_atomically(card, model_card(run.info, run.results(), weights=MODEL))
    observer.note(f"the network is {run.path(MODEL)}, its card {card}")


def _write_once(run: RunFolder, result: Result) -> None:
    """Keep a result, unless the run did so before it was stopped."""
    if all((r.task, r.subject) != (result.task, result.subject) for r in run.results()):
        run.write_result(result)


def _subject(job: Job) -> str:
    return "student" if job.config.task.kind == "distill" else "network"


def _measured(job: Job, teacher_logits: Tensor | None, words: str, observer: Observer) -> Result:
    """The network on the test images."""
    config, net = job.config, job.objective.student
    tags = {
        "recipe": config.recipe,
        "network": config.net.label,
        "method": "+".join(config.task.names) or "none",
        "seed": str(config.training.seed),
    }
    subject = _subject(job) + words
    if config.task.embeds:
        observer.note(
            f"{len(job.test)} test images by their neighbours among {len(job.train)} training "
            "images"
        )
        with observer.part("embeddings") as progress:
            train_ND = predict(net, job.train, progress=progress)
            test_MD = predict(net, job.test, progress=progress)
        found = evaluate_embeddings(
            train_ND,
            job.train.labels,
            test_MD,
            job.test.labels,
            subject=subject,
            source=f"{job.train.source}; {job.test.source}",
            tags=tags,
        )
    else:
        with observer.part("test images") as progress:
            found = evaluate(
                net,
                job.test,
                subject=subject,
                teacher=job.objective.teacher,
                teacher_logits=teacher_logits,
                student_taps=config.task.taps,
                teacher_taps=config.task.partner_taps,
                pair_taps=config.task.pairing,
                tags=tags,
                progress=progress,
            )
    return found.model_copy(update={"task": config.task.kind})


def resume_command(run: RunFolder) -> str:
    """The command that goes on with a run.

    Args:
        run: the run.
    """
    return shlex.join(["lgg", "train", "--resume", str(run.folder)])


def _time_by_part(reports: Sequence[EpochReport]) -> str:
    """Where the time of a step went, the graph loss among it."""
    seconds: Counter[str] = Counter()
    for report in reports:
        seconds.update(report.part_seconds)
    total = sum(seconds.values())
    parts = ", ".join(
        f"{part} {100 * value / total:.1f} %" for part, value in seconds.most_common()
    )
    step = 1000 * sum(r.seconds for r in reports) / sum(r.steps for r in reports)
    lines = [f"a step took {step:.1f} ms: {parts}"]
    if "gkd" in seconds:
        share = seconds["gkd"] / total
        lines.append(
            f"the graph loss took {share * step:.1f} ms of it, {100 * share:.1f} %, forward and "
            "backward"
        )
    return "\n".join(lines)
