"""Changes to a configuration, in words."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from torchlgg.core import InputError
from torchlgg.recipes._plain import from_plain, to_plain
from torchlgg.recipes._run_config import RunConfig


def with_settings(config: RunConfig, words: Iterable[str]) -> RunConfig:
    """The configuration with some settings changed.

    Args:
        config: what to start from; not changed.
        words: each a dotted name, ``=`` and a value in YAML, such as ``"training.epochs=30"`` or
            ``"task.losses=[hkd, gkd]"``. Later ones win.

    Raises:
        InputError: a name that is no setting, with the nearest; a value that does not fit.

    Example:
        >>> from torchlgg.recipes import recipe, with_settings
        >>> config = with_settings(recipe("fast/gkd"), ["training.epochs=3", "data.source=digits"])
        >>> config.training.epochs, config.data.source
        (3, 'digits')
    """
    plain = to_plain(config)
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.strip():
            raise InputError(
                f"`--set` must look like NAME=VALUE, such as training.epochs=30; got {word!r}"
            )
        plain = merged(plain, _nested(name.strip().split("."), _parsed(text, word)))
    return from_plain(plain)


def merged(base: Any, change: Any) -> Any:
    """Plain values with others laid over them: mappings name by name, anything else whole.

    Args:
        base: not changed.
        change: what wins. A mapping with another ``kind`` replaces all of the task.

    Example:
        >>> from torchlgg.recipes import merged
        >>> merged({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}})
        {'a': {'b': 3, 'c': 2}}
    """
    if not isinstance(base, Mapping) or not isinstance(change, Mapping):
        return copy.deepcopy(change)
    if "kind" in change and change["kind"] != base.get("kind"):
        return copy.deepcopy(dict(change))
    return {**base, **{name: merged(base.get(name), inner) for name, inner in change.items()}}


def _parsed(text: str, word: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"`--set {word}`: the value cannot be read as YAML") from error


def _nested(names: list[str], value: Any) -> Any:
    for name in reversed(names):
        value = {name: value}
    return value
