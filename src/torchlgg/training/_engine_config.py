"""How a run is carried out: what does not change what is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torchlgg.core import InputError, check_option
from torchlgg.training._pairing import TapNames

Precision = Literal["float32", "bfloat16", "float16"]
"""The type that the forward passes of a step compute in, where that is safe."""


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """How a run is carried out.

    Args:
        device: ``"auto"`` is the accelerator if there is one, else the CPU.
        watch: the taps whose label smoothness is measured after every epoch; ``None`` is none.
        tensorboard: write the record of every epoch for TensorBoard too, into the folder
            ``tensorboard`` of the run; ``watch`` is then ``"auto"`` unless it is set.
        precision: of the forward passes of student and teacher (``torch.autocast``). Weights,
            losses and graphs, validation and measurements are float32 in any case; ``"float16"``
            scales the gradient, and leaves a step out where that overflows.
        channels_last: lay feature maps out with the channels innermost, in memory alone.
        ema: the decay, between 0 and 1, of a running average of the weights and of the buffers of
            floating type (the statistics of batch norm); validation, the files of weights and the
            measurements are then those of the average. ``None`` is no average.
        micro_batches: in how many parts a batch goes through the student. The losses, and so the
            graphs, see all of it; the backward pass holds one part at a time, for one more forward
            pass. Batch norm takes its statistics from each part.
        cache_teacher: run the teacher once over the training images, where the augmentation does
            not change them, and look its logits and taps up by image. Graphs are made of the batch,
            so they are not kept.
        compile: run student and teacher through ``torch.compile``: ``"default"``, or
            ``"cuda_graphs"`` for small networks on a CUDA device, where launching costs most.

    Raises:
        InputError: a value out of its range, or settings that exclude each other.

    Example:
        >>> from torchlgg.training import EngineConfig
        >>> EngineConfig().device
        'auto'
    """

    device: str = "auto"
    watch: TapNames | None = None
    tensorboard: bool = False
    precision: Precision = "float32"
    channels_last: bool = False
    ema: float | None = None
    micro_batches: int = 1
    cache_teacher: bool = False
    compile: Literal["default", "cuda_graphs"] | None = None

    def __post_init__(self) -> None:
        if self.tensorboard and self.watch is None:
            object.__setattr__(self, "watch", "auto")
        precisions = ("float32", "bfloat16", "float16")
        check_option(self.precision, precisions, name="precision", where="engine")
        check_option(self.compile, (None, "default", "cuda_graphs"), name="compile", where="engine")
        if self.ema is not None and not 0 < self.ema < 1:
            raise InputError(f"`ema` must be above 0 and below 1, or None; got {self.ema!r}")
        if self.micro_batches < 1:
            raise InputError(f"`micro_batches` must be at least 1, got {self.micro_batches!r}")
        if self.compile == "cuda_graphs" and self.micro_batches > 1:
            raise InputError(
                "`compile`='cuda_graphs' is for small networks and `micro_batches` for large ones: "
                "they exclude each other, so leave one of them out"
            )
