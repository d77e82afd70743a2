"""The pre-activation wide ResNet of the robustness experiments on CIFAR-100.

Laplacian networks (arXiv 1805.10133), after S. Zagoruyko and N. Komodakis, *Wide Residual
Networks*, BMVC 2016.

Shapes: N examples, C channels or classes, H and W the height and width of a map.
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from torchlgg.core import InputError
from torchlgg.nets._layers import (
    GlobalAveragePool,
    blocks_of_depth,
    check_count,
    relu_names,
    wide_channels,
)
from torchlgg.nets._parseval import ParsevalConv2d
from torchlgg.nets._preact_block import PreActBlock


class PreActWideResNet(nn.Module):
    """Pre-activation WRN-depth-width: 16 channels, three groups, ReLU, pooling, linear.

    The groups have (depth - 4) / 6 blocks each, with 16, 32 and 64 times ``width`` channels
    (rounded down) and strides 1, 2 and 2; the published network is 28-10. In every block, dropout
    stands between the convolutions; where the shape changes, the shortcut is a 1x1 convolution of
    the first ReLU's output. The last map passes through a ReLU and is averaged over its positions.

    All of it is as in the authors' code, which differs from wide ResNets in one thing: there is no
    batch norm before the last ReLU. Unlike there, images are expected normalised: that is not a
    part of the network. Not known is why the batch norm was left out, and what it would do to the
    published accuracies, which are of one seed each; no weights were published to compare with.

    Modules: ``conv1``, ``layer1`` to ``layer3``, ``relu``, ``pool``, ``linear``. PyTorch's default
    initialisation, as in the authors' code.

    Args:
        depth: 10, 16, 22, 28, 34, ...: six times the blocks of a group, plus four.
        width: factor on the channels of the groups.
        num_classes: length of the output.
        in_channels: channels of the images.
        dropout: the chance of each number between the convolutions of a block to be left out in
            training, from 0, none, up to but not 1.
        parseval: divided convolutions and mean residual sums, to be trained with
            :func:`parseval_retraction_`. Same parameters and keys, another function of them.

    Attributes:
        auto_taps: the layers that distillation compares: the ends of groups 1 and 2 after the
            normalisation and ReLU that follow them, and the pooled end of group 3; all
            non-negative.
        relu_taps: every ReLU, in order of execution: 25 in the published network; what the
            robustness regulariser reads.

    Called with float images (N, in_channels, H, W), any H and W, it returns logits
    (N, num_classes).

    Raises:
        InputError: a depth that is not 6n + 4, a width without a channel, a count below 1, a
            dropout outside [0, 1).

    Example:
        >>> import torch
        >>> net = PreActWideResNet(28, 1, num_classes=100)
        >>> net.auto_taps, len(net.relu_taps)
        (('layer2.0.relu1', 'layer3.0.relu1', 'pool'), 25)
        >>> sum(p.numel() for p in net.parameters())
        375220
        >>> net(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 100])
    """

    auto_taps: ClassVar[tuple[str, ...]] = ("layer2.0.relu1", "layer3.0.relu1", "pool")

    def __init__(
        self,
        depth: int,
        width: float,
        *,
        num_classes: int,
        in_channels: int = 3,
        dropout: float = 0.3,
        parseval: bool = False,
    ) -> None:
        super().__init__()
        check_count(num_classes, name="num_classes", where="PreActWideResNet")
        check_count(in_channels, name="in_channels", where="PreActWideResNet")
        blocks = blocks_of_depth(depth, where="PreActWideResNet")
        channels = wide_channels(width, where="PreActWideResNet")
        if not 0 <= dropout < 1:
            raise InputError(
                f"PreActWideResNet: `dropout` must be at least 0 and below 1, got {dropout!r}; the "
                "published network uses 0.3"
            )
        conv = ParsevalConv2d if parseval else nn.Conv2d

        def block(before: int, after: int, stride: int) -> PreActBlock:
            return PreActBlock(before, after, stride=stride, parseval=parseval, dropout=dropout)

        self.conv1 = conv(in_channels, channels[0], 3, padding=1, bias=False)
        self.layer1, self.layer2, self.layer3 = (
            nn.Sequential(
                block(before, after, stride), *(block(after, after, 1) for _ in range(blocks - 1))
            )
            for (before, after), stride in zip(pairwise(channels), (1, 2, 2), strict=True)
        )
        self.relu = nn.ReLU()
        self.pool = GlobalAveragePool()
        self.linear = nn.Linear(channels[-1], num_classes)
        self.relu_taps = relu_names(self)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits of ``images_NCHW``; see the class."""
        maps_NCHW = self.layer1(self.conv1(images_NCHW))
        maps_NCHW = self.relu(self.layer3(self.layer2(maps_NCHW)))
        logits_NC: Tensor = self.linear(self.pool(maps_NCHW))
        return logits_NC
