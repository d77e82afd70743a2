"""Which corruptions there are, and which of them a published mean is taken over."""

from __future__ import annotations

from typing import Literal

from torchlgg.core import InputError, check_option, did_you_mean

BENCHMARK = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)
EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
SYNTHETIC = ("frost_synthetic",)
# A corruption's place here is a part of the key of its random draws: append, never reorder.
NUMBERED = (*BENCHMARK, *EXTRA, *SYNTHETIC)
SEVERITIES = (1, 2, 3, 4, 5)

_KINDS = {
    "all": (*BENCHMARK, *EXTRA),
    "benchmark": BENCHMARK,
    "extra": EXTRA,
    "synthetic": SYNTHETIC,
}


def corruption_names(
    kind: Literal["all", "benchmark", "extra", "synthetic"] = "all",
) -> tuple[str, ...]:
    """The names of the corruptions, which are also those of the published files.

    Args:
        kind: ``"benchmark"``, the 15 that the mean corruption error is a mean over; ``"extra"``,
            the 4 that are held out for choosing settings and stay out of that mean; ``"all"``,
            both; ``"synthetic"``, stand-ins of our own, which are in no other kind: no mean that
            holds one may stand beside a published one.

    Returns:
        Names in the order of the benchmark.

    Raises:
        InputError: another ``kind``.

    Example:
        >>> from torchlgg.corruptions import corruption_names
        >>> corruption_names("extra")
        ('speckle_noise', 'gaussian_blur', 'spatter', 'saturate')
        >>> len(corruption_names("benchmark")), corruption_names("synthetic")
        (15, ('frost_synthetic',))

    Source: D. Hendrycks, T. Dietterich, Benchmarking neural network robustness to common
    corruptions and perturbations, ICLR 2019.
    """
    check_option(kind, tuple(_KINDS), name="kind", where="corruption_names")
    return _KINDS[kind]


def check_name(name: str, *, where: str) -> None:
    """Raise an `InputError` unless there is a corruption of this name."""
    if not isinstance(name, str) or name not in NUMBERED:
        hint = did_you_mean(name, NUMBERED) if isinstance(name, str) else ""
        raise InputError(f"{where}: `name` must be that of a corruption, got {name!r}{hint}")


def check_severity(severity: int, *, where: str) -> None:
    """Raise an `InputError` unless the severity is one of the five."""
    if type(severity) is not int or severity not in SEVERITIES:
        raise InputError(
            f"{where}: `severity` must be a whole number from 1, the mildest, to 5, got "
            f"{severity!r}"
        )
