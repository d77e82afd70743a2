"""The one error a caller can cause, and the hint that names what they may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something a caller passed cannot be used; the message says what, why and what to do.

    Every check of torchlgg raises this error and no other for bad input, so that the command
    line can print the sentence and exit with code 2, and show a traceback for real faults only.

    Example:
        >>> raise InputError("`k` must be at least 1, got 0")
        Traceback (most recent call last):
        ...
        torchlgg.core._errors.InputError: `k` must be at least 1, got 0
    """


def did_you_mean(name: str, known: Iterable[str], *, count: int = 3) -> str:
    """The end of an error sentence: the known names nearest to an unknown one.

    Args:
        name: what was asked for.
        known: the names that exist.
        count: how many to offer at most.

    Returns:
        ``"; did you mean 'a' or 'b'?"`` when names are near, else ``"; known: 'a', 'b', ..."``,
        cut after twelve names.

    Example:
        >>> did_you_mean("poool", ["layer1", "pool", "fc"])
        "; did you mean 'pool'?"
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=count, cutoff=0.5)
    if near:
        return "; did you mean " + " or ".join(map(repr, near)) + "?"
    listed = ", ".join(map(repr, names[:12])) + (", ..." if len(names) > 12 else "")
    return f"; known: {listed}" if names else ""
