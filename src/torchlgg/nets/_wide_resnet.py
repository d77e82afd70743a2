"""The wide residual networks with post-activation blocks of the distillation experiments.

Deep geometric knowledge distillation with graphs (arXiv 1911.03080), after S. Zagoruyko and N.
Komodakis, *Wide Residual Networks*, BMVC 2016, whose blocks normalise and rectify first; these
do so last.

Shapes: N examples, C channels or classes, H and W the height and width of a map.
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from torchlgg.nets._layers import (
    GlobalAveragePool,
    blocks_of_depth,
    check_count,
    relu_names,
    wide_channels,
)
from torchlgg.nets._parseval import ParsevalConv2d, residual_sum


class _Block(nn.Module):
    """conv - bn - relu - conv - bn, plus the shortcut, relu."""

    def __init__(self, in_channels: int, channels: int, *, stride: int, parseval: bool) -> None:
        super().__init__()
        conv = ParsevalConv2d if parseval else nn.Conv2d
        self.parseval = parseval
        self.conv1 = conv(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv2 = conv(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Sequential(
                conv(in_channels, channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(channels),
            )
        self.relu2 = nn.ReLU()

    def forward(self, x_NCHW: Tensor) -> Tensor:
        branch_NCHW = self.relu1(self.bn1(self.conv1(x_NCHW)))
        branch_NCHW = self.bn2(self.conv2(branch_NCHW))
        sum_NCHW = residual_sum(branch_NCHW, self.shortcut(x_NCHW), parseval=self.parseval)
        out_NCHW: Tensor = self.relu2(sum_NCHW)
        return out_NCHW


class WideResNet(nn.Module):
    """WRN-depth-width with post-activation blocks: 16 channels, three groups, pooling, linear.

    The groups have (depth - 4) / 6 blocks each, with 16, 32 and 64 times ``width`` channels
    (rounded down) and strides 1, 2 and 2; a block whose shape changes has a 1x1 convolution with
    batch norm as its shortcut. The last map is averaged over all its positions, which for 32x32
    images is the published 8x8 pooling, so images of other sizes work too.

    Modules: ``conv1``, ``bn``, ``relu``, ``layer1`` to ``layer3``, ``pool``, ``linear``. The keys
    of the state dict are those of the authors' released weights. PyTorch's default
    initialisation, as in the authors' code.

    Args:
        depth: 10, 16, 22, 28, 34, ...: six times the blocks of a group, plus four.
        width: factor on the channels of the groups, for instance 1 or 0.5.
        num_classes: length of the output.
        in_channels: channels of the images.
        parseval: divided convolutions and mean residual sums, to be trained with
            :func:`parseval_retraction_`. Same parameters and keys, another function of them.

    Attributes:
        auto_taps: the layers that distillation compares: after group 1, after group 2, and the
            pooled end of group 3; all non-negative.
        relu_taps: every ReLU, in order of execution.

    Called with float images (N, in_channels, H, W), any H and W, it returns logits
    (N, num_classes).

    Raises:
        InputError: a depth that is not 6n + 4, a width without a channel, a count below 1.

    Example:
        >>> import torch
        >>> net = WideResNet(28, 1, num_classes=10)
        >>> sum(p.numel() for p in net.parameters())
        369690
        >>> net.auto_taps, len(net.relu_taps)
        (('layer1', 'layer2', 'pool'), 25)
        >>> net(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    auto_taps: ClassVar[tuple[str, ...]] = ("layer1", "layer2", "pool")

    def __init__(
        self,
        depth: int,
        width: float,
        *,
        num_classes: int,
        in_channels: int = 3,
        parseval: bool = False,
    ) -> None:
        super().__init__()
        check_count(num_classes, name="num_classes", where="WideResNet")
        check_count(in_channels, name="in_channels", where="WideResNet")
        blocks = blocks_of_depth(depth, where="WideResNet")
        channels = wide_channels(width, where="WideResNet")
        conv = ParsevalConv2d if parseval else nn.Conv2d
        self.conv1 = conv(in_channels, channels[0], 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels[0])
        self.relu = nn.ReLU()
        self.layer1, self.layer2, self.layer3 = (
            nn.Sequential(
                _Block(before, after, stride=stride, parseval=parseval),
                *(_Block(after, after, stride=1, parseval=parseval) for _ in range(blocks - 1)),
            )
            for (before, after), stride in zip(pairwise(channels), (1, 2, 2), strict=True)
        )
        self.pool = GlobalAveragePool()
        self.linear = nn.Linear(channels[-1], num_classes)
        self.relu_taps = relu_names(self)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits of ``images_NCHW``; see the class."""
        maps_NCHW = self.relu(self.bn(self.conv1(images_NCHW)))
        maps_NCHW = self.layer3(self.layer2(self.layer1(maps_NCHW)))
        logits_NC: Tensor = self.linear(self.pool(maps_NCHW))
        return logits_NC
