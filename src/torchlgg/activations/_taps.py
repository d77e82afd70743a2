"""What a capture gives: an ordered mapping from tap name to tensor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from torchlgg.core import InputError, did_you_mean


class MissingTapError(InputError, KeyError):
    """A tap was looked up that the last forward pass did not give; the message says why.

    It is a `KeyError` too, so that ``taps.get(name)`` and ``name in taps`` work as usual.

    Example:
        >>> Taps(["layer1"])["layer1"]
        Traceback (most recent call last):
        ...
        torchlgg.activations._taps.MissingTapError: tap 'layer1' is empty: no forward pass ran yet
    """

    def __str__(self) -> str:  # KeyError would print the repr of the sentence
        return str(self.args[0])


@dataclass(frozen=True)
class _Call:
    module: str
    tensor: Tensor
    version: int | None  # None: an inference tensor, which does not count its changes


class Taps(Mapping[str, Tensor]):
    """The outputs of the tapped modules in the last forward pass, in order of execution.

    A module comes in the order in which its call *ended*, so a container after what it contains.
    One that was called once has its plain name; one called several times has ``"name:1"``,
    ``"name:2"`` and so on. `capture` makes and fills it; it stays usable after the block.

    Args:
        modules: the names of the tapped modules.

    Example:
        >>> import torch
        >>> from torchlgg.activations import capture
        >>> model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU())
        >>> with capture(model, "*") as taps:
        ...     _ = model(torch.ones(5, 3))
        >>> taps
        Taps({'0': (5, 2), '1': (5, 2)})
    """

    def __init__(self, modules: list[str]) -> None:
        self._modules = tuple(modules)
        self._calls: list[_Call] = []
        self._by_name: dict[str, _Call] | None = None  # made when first read after a call
        self._passes = 0

    def __getitem__(self, name: str) -> Tensor:
        call = self._named().get(name)
        if call is None:
            raise MissingTapError(self._why_missing(name))
        if call.version is not None and call.version != call.tensor._version:
            raise InputError(
                f"tap {name!r} was overwritten in place after it was captured: capture it with "
                "`pool`, or clone it where it is overwritten"
            )
        return call.tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._named())

    def __len__(self) -> int:
        return len(self._calls)

    def __repr__(self) -> str:
        shapes = {name: tuple(call.tensor.shape) for name, call in self._named().items()}
        return f"Taps({shapes})"

    def _begin_pass(self) -> None:
        self._calls.clear()
        self._by_name = None
        self._passes += 1

    def _add(self, module: str, tensor: Tensor) -> None:
        version = None if tensor.is_inference() else tensor._version
        self._calls.append(_Call(module, tensor, version))
        self._by_name = None

    def _named(self) -> dict[str, _Call]:
        if self._by_name is None:
            names = call_names([call.module for call in self._calls])
            self._by_name = dict(zip(names, self._calls, strict=True))
        return self._by_name

    def _check_complete(self, wishes: Mapping[str, tuple[str, ...]], model: str) -> None:
        """Every wish must have given a tap, or the block ends with the reason why not."""
        ran = {call.module for call in self._calls}
        if not ran and not self._passes:
            raise InputError(
                f"`capture` saw no forward pass of {model}: call it inside the `with` block"
            )
        for wish, modules in wishes.items():
            if ran.isdisjoint(modules):
                raise InputError(
                    f"`layers` asks for {wish!r}, which did not run in the forward pass of "
                    f"{model}: `dry_run` lists the modules that run"
                )

    def _why_missing(self, name: str) -> str:
        calls = [call.module for call in self._calls].count(name)
        if calls > 1:
            return f"tap {name!r} was called {calls} times: ask for {name + ':1'!r} and so on"
        if name not in self._modules:
            return f"{name!r} is no tap{did_you_mean(str(name), self._named() or self._modules)}"
        if not self._calls and not self._passes:
            return f"tap {name!r} is empty: no forward pass ran yet"
        return f"tap {name!r} is empty: its module did not run in the last forward pass"


def call_names(modules: list[str]) -> list[str]:
    """Number the calls of those modules that come more than once.

    Args:
        modules: names in order of execution.

    Returns:
        As many names, each once.

    Example:
        >>> call_names(["conv", "relu", "relu"])
        ['conv', 'relu:1', 'relu:2']
    """
    counts: dict[str, int] = {}
    names = []
    for module in modules:
        counts[module] = counts.get(module, 0) + 1
        names.append((module, counts[module]))
    return [name if counts[name] == 1 else f"{name}:{number}" for name, number in names]
