"""The networks of an objective, as the engine runs them in a step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torchlgg.core import InputError
from torchlgg.data import ImageSource
from torchlgg.training._clock import Clock
from torchlgg.training._config import TrainingConfig
from torchlgg.training._engine_config import EngineConfig
from torchlgg.training._forward import Forward
from torchlgg.training._predict import device_of
from torchlgg.training._ranks import Ranks
from torchlgg.training._student_pass import StudentPass
from torchlgg.training._task import Task
from torchlgg.training._teacher_cache import TeacherCache
from torchlgg.training._view import View


class Passes:
    """The networks of an objective, as the engine runs them in a step.

    Args:
        student: the network that is trained.
        teacher: that it learns from, in eval mode.
        task: whose taps are read.
        engine: how.
        ranks: the processes that share the batch.
    """

    def __init__(
        self,
        student: nn.Module,
        teacher: nn.Module | None,
        task: Task,
        engine: EngineConfig = EngineConfig(),  # noqa: B008  (frozen)
        *,
        ranks: Ranks = Ranks(),  # noqa: B008  (frozen)
    ) -> None:
        reads = task.reads_taps
        self._student = Forward(student, task.taps if reads else None, engine)
        self._teacher: Forward | None = None
        if teacher is not None:
            self._teacher = Forward(teacher, task.partner_taps if reads else None, engine)
        self._engine = engine
        self._ranks = ranks
        self._cache: TeacherCache | None = None
        self.scaler = torch.amp.GradScaler(
            device_of(student).type, enabled=engine.precision == "float16"
        )

    def prepare(self, train: ImageSource, config: TrainingConfig) -> None:
        """Do what is done once, before the first step.

        Args:
            train: the training images.
            config: the schedule.
        """
        if self._engine.cache_teacher and self._teacher is not None:
            self._cache = TeacherCache(self._teacher, train, batch_size=config.batch_size)

    def teacher(self, images: Tensor, index_N: Tensor | None, clock: Clock) -> View:
        """What the teacher gives for the whole batch; nothing where there is none.

        Args:
            images: the rows of this rank.
            index_N: the positions of the batch among the training images.
            clock: told the time of it.
        """
        if self._engine.compile == "cuda_graphs":
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        if self._teacher is None:
            return View.absent()
        with clock("teacher"), torch.no_grad():
            if self._cache is not None:
                assert index_N is not None
                return self._cache.view(index_N)
            return self._ranks.gathered(self._teacher(images))

    def student(self, images: Tensor, examples: int, clock: Clock) -> StudentPass:
        """The student's forward pass.

        Args:
            images: the rows of this rank.
            examples: of the whole batch.
            clock: told the time of it.
        """
        with clock("student forward"):
            return StudentPass(
                self._student,
                images,
                examples,
                micro_batches=self._engine.micro_batches,
                ranks=self._ranks,
            )

    def close(self) -> None:
        """Leave nothing on the networks."""
        for forward in (self._student, self._teacher):
            if forward is not None:
                forward.close()


def check_engine(engine: EngineConfig, device: torch.device) -> None:
    """Raise unless a device can do what the engine asks for.

    Args:
        engine: what is asked for.
        device: where.

    Raises:
        InputError: CUDA graphs elsewhere than on CUDA.
    """
    if engine.compile == "cuda_graphs" and device.type != "cuda":
        raise InputError(
            f"`compile`='cuda_graphs' needs a CUDA device, and this run is on {device.type!r}: "
            "ask for 'default', or leave it out"
        )
