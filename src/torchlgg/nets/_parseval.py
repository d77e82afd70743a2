r"""Parseval networks: weights pulled towards orthonormal rows, so that no layer stretches much.

M. Cisse, P. Bojanowski, E. Grave, Y. Dauphin, N. Usunier, *Parseval Networks*, ICML 2017, in the
form in which Laplacian networks (arXiv 1805.10133) compare with it. Three parts belong together:
convolutions that divide their weights (:class:`ParsevalConv2d`), residual sums that are means
(``residual_sum``), and a step towards orthonormality after every step of the optimiser
(:func:`parseval_retraction_`).

Shapes: O rows (output units), I columns (all that one output unit reads).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from torchlgg.core import InputError, at_least_float32, exact_arithmetic


class ParsevalConv2d(nn.Conv2d):
    r"""A 2-d convolution with the weight W / sqrt(2 k_h k_w + 1), for a kernel of k_h x k_w.

    A convolution reads each position about k_h k_w times, so that W with orthonormal rows can
    stretch its input by up to sqrt(k_h k_w); the division takes that out. ``weight`` itself holds
    W, undivided, under the key and with the initialisation of ``nn.Conv2d``, whose arguments
    this class takes; a bias is not divided.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> plain, divided = nn.Conv2d(2, 4, 3, bias=False), ParsevalConv2d(2, 4, 3, bias=False)
        >>> _ = divided.load_state_dict(plain.state_dict())
        >>> x = torch.randn(1, 2, 5, 5)
        >>> torch.allclose(divided(x), plain(x) / 19**0.5, atol=1e-6)
        True

    Source: Parseval networks, with the constant of Laplacian networks' code.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve ``input`` (N, C, H, W) with the divided weight."""
        k_h, k_w = self.kernel_size
        weight = self.weight / math.sqrt(2 * k_h * k_w + 1)
        out: Tensor = self._conv_forward(input, weight, self.bias)
        return out


def residual_sum(branch: Tensor, shortcut: Tensor, *, parseval: bool) -> Tensor:
    """The sum that ends a residual block: ``branch + shortcut``, or their mean.

    Two maps that stretch nothing may stretch by two when added; their mean does not.

    Args:
        branch: what the convolutions made, any shape.
        shortcut: what went around them, of the same shape.
        parseval: whether to take ``0.5 * branch + 0.5 * shortcut``.

    Returns:
        A new tensor of that shape; neither argument is changed.

    Example:
        >>> residual_sum(torch.tensor([3.0]), torch.tensor([1.0]), parseval=True)
        tensor([2.])
    """
    return 0.5 * branch + 0.5 * shortcut if parseval else branch + shortcut


@torch.no_grad()
def parseval_retraction_(module: nn.Module, *, beta: float = 0.01) -> tuple[str, ...]:
    r"""One step of every weight matrix of a network towards orthonormal rows, in place.

    For every parameter with more than one dimension, viewed as a matrix W of (shape[0], the
    rest):

        W <- (1 + beta) W - beta W W^T W

    which takes each singular value s to (1 + beta) s - beta s^3: 1 and 0 stay, and under
    repetition values between 0 and sqrt(1 + 2/beta) (14.2 for beta = 0.01) tend to 1, while
    larger ones grow. So W W^T tends to the identity where W has at least as many columns as
    rows, and W^T W does where it has fewer.

    Call it after ``optimizer.step()``. It touches the weights of convolutions and of linear
    layers, the classifier's included, and any other trainable parameter with more than one
    dimension (embeddings, position codes). It leaves alone whatever has one dimension or none
    (biases, the scales and shifts of batch and layer normalisation), buffers, and parameters
    with ``requires_grad=False``, which no optimiser step moved. A parameter used twice is
    stepped once. Optimiser state is not touched.

    The product is taken as (W W^T) W or W (W^T W), whichever is cheaper, in float32 or better
    and outside autocast; half-precision weights are rounded once, at the end.

    Args:
        module: the network.
        beta: the size of the step, above 0 and below 1; the published networks use 0.01.

    Returns:
        The names of the parameters that were stepped, in the module's order; empty when there is
        none. A zero matrix stays zero; a parameter without elements is left as it is.

    Raises:
        InputError: `beta` is not above 0 and below 1 (from 1 on, orthonormal rows repel).

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> _ = layer.weight.data.copy_(torch.tensor([[3.0, 4.0]]))
        >>> parseval_retraction_(layer, beta=0.01)
        ('weight',)
        >>> layer.weight.data  # length 5 becomes 1.01 * 5 - 0.01 * 5**3 = 3.8
        tensor([[2.2800, 3.0400]])

    Source: Parseval networks, there on a sample of the rows; on all of them, as here, in
    Laplacian networks' code.
    """
    if not 0 < beta < 1:
        raise InputError(
            f"parseval_retraction_: `beta` must be above 0 and below 1, got {beta!r}; "
            "the published networks use 0.01"
        )
    stepped = []
    for name, weight in module.named_parameters():
        if weight.ndim < 2 or weight.numel() == 0 or not weight.requires_grad:
            continue
        w_OI = at_least_float32(weight.flatten(1))
        with exact_arithmetic(w_OI):
            if w_OI.shape[0] <= w_OI.shape[1]:
                cube_OI = (w_OI @ w_OI.T) @ w_OI
            else:
                cube_OI = w_OI @ (w_OI.T @ w_OI)
            step_OI = (1 + beta) * w_OI - beta * cube_OI
        weight.copy_(step_OI.view(weight.shape))
        stepped.append(name)
    return tuple(stepped)
