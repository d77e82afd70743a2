"""A network that returns its taps, to be compiled as a whole."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from torchlgg.activations._outputs import first_tensor
from torchlgg.activations._select import Layers, check_model, select
from torchlgg.activations._taps import call_names
from torchlgg.core import InputError


class Tapped(nn.Module):
    """A network that returns its output and its taps, by hooks that stay until they are removed.

    `capture` places hooks for the length of a block, and compiled code does not see them. These
    are there before the network is compiled, so that ``torch.compile(Tapped(net, layers))`` holds
    them. They do nothing where the network is called by itself.

    Args:
        net: the network; its parameters are shared.
        layers: as for `capture`; ``None`` is none.

    Raises:
        InputError: as of `capture` on entry.

    Example:
        >>> import torch
        >>> net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU())
        >>> tapped = Tapped(net, ["0"])
        >>> output, taps = tapped(torch.ones(5, 3))
        >>> {name: tuple(tap.shape) for name, tap in taps.items()}
        {'0': (5, 2)}
        >>> tapped.remove()
    """

    def __init__(self, net: nn.Module, layers: Layers | None) -> None:
        super().__init__()
        inner = check_model(net)
        self.net = net
        self._calls: list[tuple[str, Tensor]] = []
        self._open = False
        self._wishes: dict[str, tuple[str, ...]] = {}
        self._removals: list[Callable[[], None]] = []
        if layers is not None:
            selection = select(inner, layers)
            self._wishes = selection.wishes
            for tap, module in selection.modules.items():
                handle = module.register_forward_hook(partial(self._keep, tap))
                self._removals.append(handle.remove)

    def forward(self, *inputs: Any) -> tuple[Any, dict[str, Tensor]]:
        """The output of the network for ``inputs``, and its taps in order of execution."""
        self._open = True
        output = self.net(*inputs)
        self._open = False
        names = call_names([tap for tap, _ in self._calls])
        taps = {name: tensor for name, (_, tensor) in zip(names, self._calls, strict=True)}
        self._calls.clear()
        return output, taps

    def check(self, taps: dict[str, Tensor]) -> None:
        """Raise unless every wish has a tap.

        Args:
            taps: what a call returned.

        Raises:
            InputError: a module that was asked for did not run.
        """
        ran = {name.partition(":")[0] for name in taps}
        for wish, modules in self._wishes.items():
            if ran.isdisjoint(modules):
                raise InputError(
                    f"`layers` asks for {wish!r}, which did not run in the forward pass of "
                    f"{type(self.net).__name__}: `dry_run` lists the modules that run"
                )

    def remove(self) -> None:
        """Take the hooks away."""
        while self._removals:
            self._removals.pop()()

    def _keep(self, tap: str, _module: nn.Module, _args: Any, output: Any) -> Tensor | None:
        if not self._open:
            return None
        tensor = first_tensor(output, tap=tap)
        if isinstance(output, Tensor):  # the network goes on with a copy, and may overwrite that
            self._calls.append((tap, tensor))
            return output.clone()
        self._calls.append((tap, tensor.clone()))
        return None
