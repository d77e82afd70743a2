"""A training run between two epochs: all that the next epoch depends on, in one file."""

from __future__ import annotations

import copy
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
from torch.optim.swa_utils import AveragedModel

from torchlgg.core import InputError, write_atomically
from torchlgg.training._epoch_report import EpochReport
from torchlgg.training._fingerprint import compare_fingerprints
from torchlgg.training._generators import global_generators, set_global_generators
from torchlgg.training._objective import Objective
from torchlgg.training._predict import device_of
from torchlgg.training._ranks import Ranks

_FORMAT = "torchlgg training state"
_VERSION = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Moving:
    """What changes from step to step while :func:`fit` runs.

    Args:
        objective: what is minimised, and the student.
        optimizer: of the student's parameters.
        order: the generator of batches and crops.
        scaler: of the gradients of half precision.
        average: of the weights, where there is one.
        ranks: the processes.
    """

    objective: Objective
    optimizer: torch.optim.Optimizer
    order: torch.Generator
    scaler: torch.amp.GradScaler
    average: AveragedModel | None
    ranks: Ranks


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
        scaler: that of the gradients of half precision; empty in other precisions.
        average: the averaged weights and buffers; ``None`` without an average.
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
    scaler: Mapping[str, Any]
    average: Mapping[str, Tensor] | None
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
        cls, moving: Moving, reports: Sequence[EpochReport], asked: Mapping[str, Any]
    ) -> TrainingState:
        """The state of this moment, copied; every rank takes part.

        Args:
            moving: what changes from step to step.
            reports: of every epoch so far.
            asked: what :func:`fit` was asked for.
        """
        student, ranks = moving.objective.student, moving.ranks
        drawn = ranks.all_states(global_generators(device_of(student)))
        average = None if moving.average is None else _on_cpu(moving.average.state_dict())
        return cls(
            reports=tuple(reports),
            student=_on_cpu(student.state_dict()),
            objective=_on_cpu(moving.objective.state_dict()),
            optimizer=_on_cpu(moving.optimizer.state_dict()),
            scaler=_on_cpu(moving.scaler.state_dict()),
            average=average,
            generators={"order": moving.order.get_state(), **drawn},
            asked=asked,
            threads=torch.get_num_threads(),
        )

    def restore(self, moving: Moving) -> None:
        """Put everything back as it was, the global generators too.

        Args:
            moving: one like the state was taken of.

        Raises:
            InputError: the student is another network.
        """
        self.restore_student(moving.objective.student)
        moving.objective.load_state_dict(copy.deepcopy(dict(self.objective)))
        moving.optimizer.load_state_dict(copy.deepcopy(dict(self.optimizer)))
        moving.scaler.load_state_dict(dict(self.scaler))
        if moving.average is not None and self.average is not None:
            moving.average.load_state_dict(self.average)
        moving.order.set_state(self.generators["order"])
        drawn = moving.ranks.own_states(self.generators)
        if "cpu" in drawn:  # a rank that was not there goes on with its seed
            set_global_generators(device_of(moving.objective.student), drawn)

    def restore_student(self, student: nn.Module) -> None:
        """Put the student's weights and buffers back, and nothing else.

        Args:
            student: a network like the one the state was taken of.

        Raises:
            InputError: it is another network.
        """
        _load(student, self.student)

    def restore_network(self, net: nn.Module) -> None:
        """Fill a network with what the run is for: the averaged weights where there are some.

        Args:
            net: a network like the one the state was taken of.

        Raises:
            InputError: it is another network.
        """
        weights = self.student
        if self.average is not None:
            prefix = "module."
            weights = {
                name.removeprefix(prefix): value
                for name, value in self.average.items()
                if name.startswith(prefix)
            }
        _load(net, weights)

    def compare(self, asked: Mapping[str, Any]) -> None:
        """Find out whether this is a state of a run that was asked for the same.

        Args:
            asked: the :func:`fingerprint` of what :func:`fit` is asked for now.

        Raises:
            InputError: the first difference.
        """
        compare_fingerprints(self.asked, asked)

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
            "scaler": dict(self.scaler),
            "average": None if self.average is None else dict(self.average),
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


def _load(net: nn.Module, weights: Mapping[str, Tensor]) -> None:
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"`resume` is the state of another student: {reason}") from error


def _on_cpu(value: Any) -> Any:
    """A copy with its tensors on the CPU, each with the strides it has."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {name: _on_cpu(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_on_cpu(inner) for inner in value]
    return value
