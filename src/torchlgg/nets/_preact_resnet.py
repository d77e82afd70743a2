"""The pre-activation ResNet-18 of the robustness experiments.

Laplacian networks (arXiv 1805.10133), after K. He, X. Zhang, S. Ren, J. Sun, *Identity Mappings
in Deep Residual Networks*, ECCV 2016.

Shapes: N examples, C channels or classes, H and W the height and width of a map.
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from torchlgg.nets._layers import GlobalAveragePool, check_count, relu_names
from torchlgg.nets._parseval import ParsevalConv2d
from torchlgg.nets._preact_block import PreActBlock


class PreActResNet(nn.Module):
    """Pre-activation ResNet-18 for small images: 3x3 stem, four groups of two blocks, linear.

    The groups have 1, 2, 4 and 8 times ``width`` channels and strides 1, 2, 2 and 2. The last
    map passes through a ReLU, without batch norm, and is averaged over its positions. Images are
    expected normalised: unlike in the authors' code, that is not a part of the network.

    Modules: ``conv1``, ``layer1`` to ``layer4``, ``relu``, ``pool``, ``linear``. PyTorch's
    default initialisation, as in the authors' code.

    Args:
        num_classes: length of the output.
        in_channels: channels of the images.
        width: channels of the stem and of the first group; 64 in the published network.
        parseval: divided convolutions and mean residual sums, to be trained with
            :func:`parseval_retraction_`. Same parameters and keys, another function of them.

    Attributes:
        auto_taps: the layers that distillation compares: the ends of groups 1 and 2 after the
            normalisation and ReLU that follow them, and the pooled end of group 4; all
            non-negative, and three as in the other networks here, so that any two pair up.
        relu_taps: the 17 ReLUs, in order of execution: what the robustness regulariser reads.

    Called with float images (N, in_channels, H, W), any H and W, it returns logits
    (N, num_classes).

    Raises:
        InputError: a count below 1.

    Example:
        >>> import torch
        >>> net = PreActResNet(num_classes=10)
        >>> sum(p.numel() for p in net.parameters())
        11171146
        >>> len(net.relu_taps), net.relu_taps[:2], net.relu_taps[-1]
        (17, ('layer1.0.relu1', 'layer1.0.relu2'), 'relu')
        >>> net(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    auto_taps: ClassVar[tuple[str, ...]] = ("layer2.0.relu1", "layer3.0.relu1", "pool")

    def __init__(
        self, *, num_classes: int, in_channels: int = 3, width: int = 64, parseval: bool = False
    ) -> None:
        super().__init__()
        check_count(num_classes, name="num_classes", where="PreActResNet")
        check_count(in_channels, name="in_channels", where="PreActResNet")
        check_count(width, name="width", where="PreActResNet")
        conv = ParsevalConv2d if parseval else nn.Conv2d
        channels = [width, width, 2 * width, 4 * width, 8 * width]
        self.conv1 = conv(in_channels, width, 3, padding=1, bias=False)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(
                PreActBlock(before, after, stride=stride, parseval=parseval),
                PreActBlock(after, after, stride=1, parseval=parseval),
            )
            for (before, after), stride in zip(pairwise(channels), (1, 2, 2, 2), strict=True)
        )
        self.relu = nn.ReLU()
        self.pool = GlobalAveragePool()
        self.linear = nn.Linear(channels[-1], num_classes)
        self.relu_taps = relu_names(self)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits of ``images_NCHW``; see the class."""
        maps_NCHW = self.layer2(self.layer1(self.conv1(images_NCHW)))
        maps_NCHW = self.relu(self.layer4(self.layer3(maps_NCHW)))
        logits_NC: Tensor = self.linear(self.pool(maps_NCHW))
        return logits_NC
