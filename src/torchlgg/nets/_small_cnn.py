"""A small convolutional network, for the 8x8 digits and for trying things out.

Shapes: N examples, C channels or classes, H and W the height and width of a map.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from torchlgg.nets._layers import GlobalAveragePool, check_count, relu_names
from torchlgg.nets._parseval import ParsevalConv2d


class SmallCNN(nn.Module):
    """Three stages of 3x3 convolution, batch norm and ReLU, then pooling and a linear layer.

    The stages have 1, 2 and 4 times ``width`` channels and strides 1, 2 and 2: an 8x8 image
    becomes maps of 8x8, 4x4 and 2x2. On one channel and ten classes, width 16 has 24,058
    parameters, width 6 has 3,628.

    Modules: ``stage1`` to ``stage3`` (each ``conv``, ``bn``, ``relu``), ``pool``, ``linear``.
    PyTorch's default initialisation.

    Args:
        num_classes: length of the output.
        in_channels: channels of the images.
        width: channels of the first stage.
        parseval: divided convolutions, to be trained with :func:`parseval_retraction_`; there is
            no residual sum here to halve.

    Attributes:
        auto_taps: the layers that distillation compares: the first two stages after their ReLU,
            and the pooled end of the third; all non-negative.
        relu_taps: the three ReLUs, in order of execution.

    Called with float images (N, in_channels, H, W), any H and W, it returns logits
    (N, num_classes).

    Raises:
        InputError: a count below 1.

    Example:
        >>> import torch
        >>> net = SmallCNN(num_classes=10, in_channels=1)
        >>> sum(p.numel() for p in net.parameters())
        24058
        >>> net.auto_taps
        ('stage1', 'stage2', 'pool')
        >>> net(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """

    auto_taps: ClassVar[tuple[str, ...]] = ("stage1", "stage2", "pool")

    def __init__(
        self, *, num_classes: int, in_channels: int = 3, width: int = 16, parseval: bool = False
    ) -> None:
        super().__init__()
        check_count(num_classes, name="num_classes", where="SmallCNN")
        check_count(in_channels, name="in_channels", where="SmallCNN")
        check_count(width, name="width", where="SmallCNN")
        conv = ParsevalConv2d if parseval else nn.Conv2d
        channels = [in_channels, width, 2 * width, 4 * width]
        self.stage1, self.stage2, self.stage3 = (
            nn.Sequential(
                OrderedDict(
                    conv=conv(before, after, 3, stride=stride, padding=1, bias=False),
                    bn=nn.BatchNorm2d(after),
                    relu=nn.ReLU(),
                )
            )
            for (before, after), stride in zip(pairwise(channels), (1, 2, 2), strict=True)
        )
        self.pool = GlobalAveragePool()
        self.linear = nn.Linear(channels[-1], num_classes)
        self.relu_taps = relu_names(self)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits of ``images_NCHW``; see the class."""
        maps_NCHW = self.stage3(self.stage2(self.stage1(images_NCHW)))
        logits_NC: Tensor = self.linear(self.pool(maps_NCHW))
        return logits_NC
