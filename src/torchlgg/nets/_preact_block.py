"""The residual block that normalises and rectifies first, of both pre-activation networks.

Shapes: N examples, C channels, H and W the height and width of a map.
"""

from __future__ import annotations

from torch import Tensor, nn

from torchlgg.nets._parseval import ParsevalConv2d, residual_sum


class PreActBlock(nn.Module):
    """bn - relu - conv (- dropout) - bn - relu - conv, plus the shortcut.

    Where the shape changes, the shortcut is a 1x1 convolution of the first ReLU's output; where
    it does not, it is the block's input as it came.

    Args:
        in_channels: of the map that comes in.
        channels: of the map that goes out.
        stride: of the first convolution and of the shortcut.
        parseval: divided convolutions and a mean for the sum.
        dropout: the chance of each number between the convolutions to be left out in training;
            0 leaves the layer out.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        stride: int,
        parseval: bool,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        conv = ParsevalConv2d if parseval else nn.Conv2d
        self.parseval = parseval
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU()
        self.conv1 = conv(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.dropout = nn.Dropout(dropout) if dropout else None
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu2 = nn.ReLU()
        self.conv2 = conv(channels, channels, 3, padding=1, bias=False)
        self.shortcut: nn.Module | None = None
        if stride != 1 or in_channels != channels:
            self.shortcut = conv(in_channels, channels, 1, stride=stride, bias=False)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """The map of ``x_NCHW``; see the class."""
        active_NCHW = self.relu1(self.bn1(x_NCHW))
        shortcut_NCHW = x_NCHW if self.shortcut is None else self.shortcut(active_NCHW)
        inner_NCHW = self.conv1(active_NCHW)
        if self.dropout is not None:
            inner_NCHW = self.dropout(inner_NCHW)
        branch_NCHW = self.conv2(self.relu2(self.bn2(inner_NCHW)))
        return residual_sum(branch_NCHW, shortcut_NCHW, parseval=self.parseval)
