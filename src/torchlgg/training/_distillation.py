"""What a student is told of its teacher: any losses, summed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, replace
from typing import Any, Literal, cast, get_args

from torchlgg.core import InputError, check_option, did_you_mean
from torchlgg.training._logit_terms import DIST, DKD, HKD
from torchlgg.training._tap_terms import AT, CC, GKD, PKT, RKD, SP, RKDAngle
from torchlgg.training._term import Term

LossName = Literal["hkd", "dkd", "dist", "rkd", "rkd-a", "sp", "pkt", "cc", "at", "gkd"]
"""The short names of the losses between teacher and student."""

_TERMS: dict[str, type[Any]] = {
    term.name: term for term in (HKD, DKD, DIST, RKD, RKDAngle, SP, PKT, CC, AT, GKD)
}


@dataclass(frozen=True, kw_only=True)
class DistillationConfig:
    """What the student is told of the teacher, beside the labels: any losses, summed.

    Args:
        losses: each a name (:data:`LossName`: the loss as published) or a :class:`Term` with
            settings, such as ``GKD(power=2)``; kept as terms. None leaves the student alone.
        weights: name → another weight than the term has.
        gradient_ratios: name → the size of the term's gradient relative to that of the labels'
            cross-entropy, instead of a weight; see :class:`Objective`.
        student_taps: module paths or globs of the student, or ``"auto"``.
        teacher_taps: the same of the teacher; as many, paired in order.

    Raises:
        InputError: an unknown loss, one that is summed twice, or a weight for one that is not
            summed.

    Example:
        >>> from torchlgg.training import GKD, DistillationConfig
        >>> config = DistillationConfig(losses=("hkd", GKD(power=2)), weights={"hkd": 8.0})
        >>> config.names, config.term("hkd").weight, config.term("gkd").weight
        (('hkd', 'gkd'), 8.0, 25.0)
    """

    losses: tuple[LossName | Term, ...] = ("gkd",)
    weights: InitVar[Mapping[str, float] | None] = None
    gradient_ratios: InitVar[Mapping[str, float] | None] = None
    student_taps: tuple[str, ...] | Literal["auto"] = "auto"
    teacher_taps: tuple[str, ...] | Literal["auto"] = "auto"

    def __post_init__(
        self,
        weights: Mapping[str, float] | None,
        gradient_ratios: Mapping[str, float] | None,
    ) -> None:
        for loss in self.losses:
            if not isinstance(loss, Term):
                check_option(loss, tuple(_TERMS), name="losses", where="distillation")
        terms = {
            term.name: term
            for term in (x if isinstance(x, Term) else _TERMS[x]() for x in self.losses)
        }
        if len(terms) < len(self.losses):
            names = (x.name if isinstance(x, Term) else x for x in self.losses)
            raise InputError(f"`losses` must name each loss once, got {' + '.join(names)}")
        for argument, setting, given in (
            ("weights", "weight", weights),
            ("gradient_ratios", "gradient_ratio", gradient_ratios),
        ):
            for name, value in (given or {}).items():
                if name not in terms:
                    hint = did_you_mean(name, terms) if terms else "; no loss is summed"
                    raise InputError(f"`{argument}` names {name!r}, which is not summed{hint}")
                terms[name] = replace(terms[name], **{setting: value})
        if twice := set(weights or ()) & set(gradient_ratios or ()):
            raise InputError(
                f"{' and '.join(map(repr, sorted(twice)))} has a weight and a gradient ratio; a "
                "ratio takes the place of the weight, so give one of them"
            )
        object.__setattr__(self, "losses", tuple(terms.values()))

    @property
    def terms(self) -> tuple[Term, ...]:
        """The losses, with their settings and weights."""
        return cast("tuple[Term, ...]", self.losses)

    @property
    def names(self) -> tuple[str, ...]:
        """The short names of the losses, in order."""
        return tuple(term.name for term in self.terms)

    def term(self, name: str) -> Term:
        """The term called ``name``, which must be summed."""
        return self.terms[self.names.index(name)]

    @property
    def reads_taps(self) -> bool:
        """Whether any of the losses compares representations."""
        return any(term.reads_taps for term in self.terms)


def parse_losses(text: str) -> tuple[LossName, ...]:
    """The losses that a sum in words names, such as ``"hkd+gkd"``; ``"none"`` is no loss.

    Args:
        text: names joined by ``+``.

    Raises:
        InputError: an unknown name, or one that comes twice.

    Example:
        >>> from torchlgg.training import parse_losses
        >>> parse_losses("hkd + gkd"), parse_losses("none")
        (('hkd', 'gkd'), ())
    """
    names = tuple(name.strip() for name in text.split("+"))
    if names == ("none",):
        return ()
    return cast("tuple[LossName, ...]", DistillationConfig(losses=names).names)  # type: ignore[arg-type]


def parse_numbers(words: Iterable[str], *, option: str) -> dict[str, float]:
    """The numbers that words such as ``"gkd=25"`` give to losses.

    Args:
        words: each a short name of a loss, ``=`` and a number.
        option: where they stood, for the error.

    Raises:
        InputError: no such name, no number, or a name that comes twice.

    Example:
        >>> from torchlgg.training import parse_numbers
        >>> parse_numbers(["gkd=25", "hkd = 0.5"], option="--weight")
        {'gkd': 25.0, 'hkd': 0.5}
    """
    found: dict[str, float] = {}
    for word in words:
        name, equals, number = (part.strip() for part in word.partition("="))
        try:
            value = float(number)
        except ValueError:
            value = None
        if not equals or value is None:
            raise InputError(f"`{option}` must look like NAME=NUMBER, such as gkd=25; got {word!r}")
        if name not in _TERMS:
            raise InputError(f"`{option}` names the loss {name!r}{did_you_mean(name, _TERMS)}")
        if name in found:
            raise InputError(f"`{option}` names {name!r} twice")
        found[name] = value
    return found


assert set(_TERMS) == set(get_args(LossName))
