"""Recipes by name, from files and from a user's own code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from torchlgg.core import InputError, did_you_mean, imported
from torchlgg.recipes import _digits, _fast, _finetune, _lassance2021
from torchlgg.recipes._plain import from_plain, to_plain
from torchlgg.recipes._run_config import RunConfig
from torchlgg.recipes._settings import merged

_RECIPES: dict[str, Callable[[], RunConfig]] = {
    "lassance2021/teacher": _lassance2021.teacher,
    "lassance2021/student": _lassance2021.student,
    "lassance2021/hkd": _lassance2021.hkd,
    "lassance2021/rkd": _lassance2021.rkd,
    "lassance2021/gkd": _lassance2021.gkd,
    "lassance2021/gsl": _lassance2021.gsl,
    "lassance2021/v": _lassance2021.vanilla,
    "lassance2021/p": _lassance2021.parseval,
    "lassance2021/r": _lassance2021.regularized,
    "lassance2021/pr": _lassance2021.regularized_parseval,
    "lassance2021/cifar100-v": _lassance2021.cifar100_vanilla,
    "lassance2021/cifar100-p": _lassance2021.cifar100_parseval,
    "lassance2021/cifar100-r": _lassance2021.cifar100_regularized,
    "lassance2021/cifar100-pr": _lassance2021.cifar100_regularized_parseval,
    "fast/teacher": _fast.teacher,
    "fast/classify": _fast.classify,
    "fast/hkd": _fast.hkd,
    "fast/rkd": _fast.rkd,
    "fast/gkd": _fast.gkd,
    "fast/embed": _fast.embed,
    "fast/embed-16": _fast.embed_16,
    "fast/r": _fast.robustify_r,
    "fast/pr": _fast.robustify_pr,
    "digits/teacher": _digits.teacher,
    "digits/classify": _digits.classify,
    "digits/hkd": _digits.hkd,
    "digits/gkd": _digits.gkd,
    "digits/embed": _digits.embed,
    "digits/r": _digits.robustify,
    "finetune": _finetune.finetune,
}


def recipe_names() -> dict[str, str]:
    """The names of the recipes, each with its one line.

    Example:
        >>> from torchlgg.recipes import recipe_names
        >>> recipe_names()["fast/gkd"]
        'A student by graphs: WRN-10-1.'
    """
    return {
        name: (function.__doc__ or "").partition("\n")[0] for name, function in _RECIPES.items()
    }


def recipe(name: str) -> RunConfig:
    """A whole configuration, by name.

    Args:
        name: one of :func:`recipe_names`; a YAML file (``.yaml`` or ``.yml``); or
            ``"module:function"``, a function of one's own that takes no argument and returns a
            :class:`RunConfig`. A YAML file holds settings by name, as :func:`to_plain` gives them,
            and may begin from another recipe, which its ``recipe`` names. The module of a function
            is imported, from the current directory too.

    Raises:
        InputError: no such recipe, with the nearest names; no such file or module; a function
            that returns something else.

    Example:
        >>> from torchlgg.recipes import recipe
        >>> recipe("lassance2021/gkd").net.name
        'wrn28-0.5'
        >>> recipe("fast/gdk")
        Traceback (most recent call last):
        ...
        torchlgg.core._errors.InputError: there is no recipe 'fast/gdk'; did you mean ...?
    """
    if name in _RECIPES:
        return replace(_RECIPES[name](), recipe=name)
    if Path(name).suffix in (".yaml", ".yml"):
        return _from_yaml(Path(name), ())
    if ":" in name:
        return _from_function(name)
    raise InputError(f"there is no recipe {name!r}{did_you_mean(name, _RECIPES)}")


def _from_yaml(path: Path, above: tuple[Path, ...]) -> RunConfig:
    """The recipe in a file, which those ``above`` begin from."""
    if path.resolve() in above:
        raise InputError(f"the recipe {str(path)!r} begins from itself")
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InputError(f"cannot read the recipe {str(path)!r}: {reason}") from error
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f" (line {place.line + 1})" if place is not None else ""
        raise InputError(f"the recipe {str(path)!r} is no YAML{line}") from error
    if not isinstance(content, Mapping):
        raise InputError(f"the recipe {str(path)!r} must be a mapping of settings")
    settings: dict[str, Any] = dict(content)
    base = settings.pop("recipe", None)
    if base is None:
        plain = {}
    elif Path(str(base)).suffix in (".yaml", ".yml"):
        plain = to_plain(_from_yaml(Path(str(base)), (*above, path.resolve())))
    else:
        plain = to_plain(recipe(str(base)))
    return from_plain(merged(plain, settings | {"recipe": path.stem}))


def _from_function(name: str) -> RunConfig:
    function = imported(name, where=f"the recipe {name!r}")
    config = function() if callable(function) else function
    if not isinstance(config, RunConfig):
        raise InputError(
            f"the recipe {name!r} must return a RunConfig, got {type(config).__name__}"
        )
    return config if config.recipe != "own" else replace(config, recipe=name)
