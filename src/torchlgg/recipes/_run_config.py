"""A whole run, in one value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torchlgg.data import DataConfig
from torchlgg.nets import NetConfig
from torchlgg.training import Classify, EngineConfig, Task, TrainingConfig


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that one run does, by :func:`run_recipe`.

    Args:
        data: the images.
        net: the network that is trained; in distillation the student.
        task: what it is trained for.
        teacher: the network it learns from, where the task needs one; with weights.
        training: the schedule.
        engine: how it is carried out.
        recipe: the name of the recipe it was made by; a tag of the results.

    Example:
        >>> from torchlgg.data import DataConfig
        >>> from torchlgg.nets import NetConfig
        >>> from torchlgg.recipes import RunConfig
        >>> config = RunConfig(data=DataConfig(source="digits"), net=NetConfig(name="small_cnn"))
        >>> config.task.kind, config.training.epochs
        ('classify', 200)
    """

    data: DataConfig
    net: NetConfig
    task: Task = field(default_factory=Classify)
    teacher: NetConfig | None = None
    training: TrainingConfig = field(default_factory=TrainingConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    recipe: str = "own"

    def with_licences(self) -> RunConfig:
        """The same, with the licences that the files of weights say, where none is given.

        Raises:
            InputError: a file of weights that cannot be read.
        """
        teacher = self.teacher if self.task.needs_teacher else None
        return replace(
            self,
            net=self.net.with_licence(),
            teacher=self.teacher if teacher is None else teacher.with_licence(),
        )
