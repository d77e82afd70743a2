"""A training run between two epochs: all that the next epoch depends on, in one file."""

from __future__ import annotations

import copy
import hashlib
import io
import os
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from torchlgg.core import InputError, write_atomically
from torchlgg.data import ImageSource
from torchlgg.training._config import TrainingConfig
from torchlgg.training._epoch_report import EpochReport
from torchlgg.training._objective import Objective
from torchlgg.training._predict import device_of

_FORMAT = "torchlgg training state"
_VERSION = 2


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TrainingState:
    """A run of :func:`fit` after a whole epoch; :func:`fit` goes on from it as if never stopped.

    Made by :func:`fit`, which hands one to its ``on_state`` after every epoch. All tensors are
    copies on the CPU.

    Args:
        reports: of every epoch so far.
        student: the weights and buffers of the student.
        objective: what the objective keeps from step to step.
        optimizer: the optimiser's state dict.
        generators: the state of every generator of random numbers, by name.
        asked: the configuration, and fingerprints of the images and of the teacher.
        threads: of the CPU; another number may round sums differently.

    Example:
        >>> import tempfile
        >>> from torchlgg.data import open_images
        >>> from torchlgg.nets import build_net
        >>> from torchlgg.training import Objective, TrainingConfig, TrainingState, fit
        >>> digits = open_images("digits", limit=128).train
        >>> config = TrainingConfig(epochs=3, batch_size=64, crop_padding=1, flip=False)
        >>> objective = Objective(build_net("small_cnn-4", num_classes=10, in_channels=1))
        >>> states = []
        >>> first = next(fit(objective, digits, config, on_state=states.append))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     states[0].write(f"{folder}/state.pt")
        ...     state = TrainingState.read(f"{folder}/state.pt")
        >>> state
        TrainingState(after epoch 1 of 3)
        >>> [report.epoch for report in fit(objective, digits, config, resume=state)]
        [2, 3]
    """

    reports: tuple[EpochReport, ...]
    student: Mapping[str, Tensor]
    objective: Mapping[str, Any]
    optimizer: Mapping[str, Any]
    generators: Mapping[str, Tensor]
    asked: Mapping[str, Any]
    threads: int

    def __repr__(self) -> str:
        return f"TrainingState(after epoch {self.epoch} of {self.asked['training']['epochs']})"

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.reports)

    @classmethod
    def take(
        cls,
        objective: Objective,
        optimizer: torch.optim.Optimizer,
        order: torch.Generator,
        reports: Sequence[EpochReport],
        asked: Mapping[str, Any],
    ) -> TrainingState:
        """The state of this moment, copied.

        Args:
            objective: what is minimised, and the student.
            optimizer: of the student's parameters.
            order: the generator of batches and crops.
            reports: of every epoch so far.
            asked: what :func:`fit` was asked for.
        """
        device = device_of(objective.student)
        return cls(
            reports=tuple(reports),
            student=_on_cpu(objective.student.state_dict()),
            objective=_on_cpu(objective.state_dict()),
            optimizer=_on_cpu(optimizer.state_dict()),
            generators={"order": order.get_state(), **_global_generators(device)},
            asked=asked,
            threads=torch.get_num_threads(),
        )

    def restore(
        self, objective: Objective, optimizer: torch.optim.Optimizer, order: torch.Generator
    ) -> None:
        """Put everything back as it was, the global generators too.

        Args:
            objective: one like the state was taken of, with its student.
            optimizer: of the student's parameters.
            order: the generator of batches and crops.

        Raises:
            InputError: the student is another network.
        """
        self.restore_student(objective.student)
        objective.load_state_dict(copy.deepcopy(dict(self.objective)))
        optimizer.load_state_dict(copy.deepcopy(dict(self.optimizer)))
        order.set_state(self.generators["order"])
        _set_global_generators(device_of(objective.student), self.generators)

    def restore_student(self, student: nn.Module) -> None:
        """Put the student's weights and buffers back, and nothing else.

        Args:
            student: a network like the one the state was taken of.

        Raises:
            InputError: it is another network.
        """
        try:
            student.load_state_dict(self.student)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise InputError(f"`resume` is the state of another student: {reason}") from error

    def compare(self, asked: Mapping[str, Any]) -> None:
        """Find out whether this is a state of a run that was asked for the same.

        Args:
            asked: the :func:`fingerprint` of what :func:`fit` is asked for now.

        Raises:
            InputError: the first difference.
        """
        for part in ("training", "task"):
            for name in dict.fromkeys((*self.asked[part], *asked[part])):
                before, now = (settings[part].get(name) for settings in (self.asked, asked))
                if before != now:
                    raise InputError(
                        f"`resume` must be a state of this configuration: `{name}` was {before!r} "
                        f"and is {now!r}; what a run was asked for cannot change on the way"
                    )
        for part in ("training images", "validation images", "teacher"):
            if self.asked[part] != asked[part]:
                verb = "is" if part == "teacher" else "are"
                raise InputError(
                    f"the {part} {verb} not the same as when the run was stopped, so it cannot go "
                    "on; bring back what it had, or start a new run"
                )

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the state to ``path``, whole or not at all.

        Raises:
            InputError: the file cannot be written.
        """
        content = {
            "format": _FORMAT,
            "version": _VERSION,
            "reports": [asdict(report) for report in self.reports],
            "student": dict(self.student),
            "objective": dict(self.objective),
            "optimizer": dict(self.optimizer),
            "generators": dict(self.generators),
            "asked": dict(self.asked),
            "threads": self.threads,
        }
        buffer = io.BytesIO()  # torch hides what goes wrong with a file that it writes itself
        torch.save(content, buffer)
        with write_atomically(path) as file:
            file.write(buffer.getbuffer())

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> TrainingState:
        """The state at ``path``; no code of the file is run.

        Raises:
            InputError: the file is absent, damaged, or no state of this version of the format.
        """
        where = repr(os.fspath(path))
        try:
            with Path(path).open("rb") as file, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if zipfile.ZipFile(file).testzip() is not None:  # torch checks no sums itself
                    raise ValueError("a checksum is wrong")
                file.seek(0)
                content = torch.load(file, map_location="cpu", weights_only=True)
        except OSError as error:
            raise InputError(f"cannot read {where}: {error.strerror or error}") from error
        except Exception as error:  # a damaged file fails anywhere, with any error
            raise InputError(f"{where} is damaged, cut short, or no training state") from error
        if not isinstance(content, dict) or content.pop("format", None) != _FORMAT:
            raise InputError(f"{where} is no training state")
        version = content.pop("version", None)
        if version != _VERSION:
            raise InputError(
                f"{where} has version {version} of the format of training states, this torchlgg "
                f"reads version {_VERSION}; go on with the torchlgg that wrote it"
            )
        try:
            reports = tuple(EpochReport(**report) for report in content.pop("reports"))
            return cls(reports=reports, **content)
        except (TypeError, KeyError) as error:
            raise InputError(f"{where} was written by another version of torchlgg") from error


def fingerprint(
    objective: Objective, train: ImageSource, config: TrainingConfig, validation: ImageSource | None
) -> dict[str, Any]:
    """What the weights depend on beside the student: configuration, images and teacher.

    Args:
        objective: as for :func:`fit`.
        train: as for :func:`fit`.
        config: as for :func:`fit`.
        validation: as for :func:`fit`.

    Returns:
        The settings, and fingerprints of the images and of the teacher's weights, by name.

    Example:
        >>> from torchlgg.data import open_images
        >>> from torchlgg.nets import build_net
        >>> from torchlgg.training import Objective, TrainingConfig, fingerprint
        >>> objective = Objective(build_net("small_cnn", num_classes=10, in_channels=1))
        >>> list(fingerprint(objective, open_images("digits").train, TrainingConfig(), None))
        ['training', 'task', 'training images', 'validation images', 'teacher']
    """
    return {
        "training": asdict(config),
        "task": {"kind": objective.task.kind, **asdict(objective.task)},
        "training images": _of_images(train),
        "validation images": None if validation is None else _of_images(validation),
        "teacher": None if objective.teacher is None else _of_net(objective.teacher),
    }


def _of_images(images: ImageSource) -> list[Any]:
    return [
        images.content_hash(),
        list(images.class_names),
        list(images.mean),
        list(images.std),
    ]


def _of_net(net: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in net.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        content = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(content.numpy().data)
    return digest.hexdigest()


def _on_cpu(value: Any) -> Any:
    """A copy with its tensors on the CPU, each with the strides it has."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {name: _on_cpu(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_on_cpu(inner) for inner in value]
    return value


def _global_generators(device: torch.device) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states[device.type] = torch.get_device_module(device).get_rng_state()
    return states


def _set_global_generators(device: torch.device, states: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if device.type in states and device.type != "cpu":
        torch.get_device_module(device).set_rng_state(states[device.type])
