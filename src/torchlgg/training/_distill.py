"""What a student is told of its teacher: any losses, summed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, replace
from typing import Any, ClassVar, Literal, cast, get_args

from torchlgg.core import InputError, check_option, did_you_mean
from torchlgg.training._label_terms import CE
from torchlgg.training._logit_terms import DIST, DKD, HKD
from torchlgg.training._pairing import Pairing, TapNames
from torchlgg.training._tap_terms import AT, CC, GKD, PKT, RKD, SP, RKDAngle
from torchlgg.training._task import Task
from torchlgg.training._term import Term

LossName = Literal["hkd", "dkd", "dist", "rkd", "rkd-a", "sp", "pkt", "cc", "at", "gkd"]
"""The short names of the losses between teacher and student."""

_TERMS: dict[str, type[Any]] = {
    term.name: term for term in (HKD, DKD, DIST, RKD, RKDAngle, SP, PKT, CC, AT, GKD)
}


@dataclass(frozen=True, kw_only=True)
class Distill(Task):
    """Labels, and what the student is told of a teacher beside them: any losses, summed.

    Args:
        losses: each a name (:data:`LossName`: the loss as published) or a :class:`Term` with
            settings, such as ``GKD(power=2)``; kept as terms. None leaves the student alone.
        weights: name → another weight than the term has.
        gradient_ratios: name → the size of the term's gradient relative to that of the labels'
            cross-entropy, instead of a weight; see :class:`Objective`.
        student_taps: module paths or globs of the student, or ``"auto"``.
        teacher_taps: the same of the teacher.
        pair_taps: ``"order"``: as many of the one as of the other, paired in order of execution;
            ``"end"``: paired from the last one back, the first ones of the longer side left out;
            ``"name"``: those that both have by one name.

    Raises:
        InputError: an unknown loss, one that is summed twice, or a weight for one that is not
            summed.

    Example:
        >>> from torchlgg.training import GKD, Distill
        >>> config = Distill(losses=("hkd", GKD(power=2)), weights={"hkd": 8.0})
        >>> config.names, config.term("hkd").weight, config.term("gkd").weight
        (('hkd', 'gkd'), 8.0, 25.0)
    """

    kind: ClassVar[str] = "distill"
    losses: tuple[LossName | Term, ...] = ("gkd",)
    weights: InitVar[Mapping[str, float] | None] = None
    gradient_ratios: InitVar[Mapping[str, float] | None] = None
    student_taps: TapNames = "auto"
    teacher_taps: TapNames = "auto"
    pair_taps: Pairing = "order"

    def __post_init__(
        self,
        weights: Mapping[str, float] | None,
        gradient_ratios: Mapping[str, float] | None,
    ) -> None:
        check_option(self.pair_taps, ("order", "end", "name"), name="pair_taps", where="distill")
        for loss in self.losses:
            if not isinstance(loss, Term):
                check_option(loss, tuple(_TERMS), name="losses", where="distill")
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
        """Cross-entropy, then the losses with their settings and weights."""
        return (CE(), *cast("tuple[Term, ...]", self.losses))

    @property
    def taps(self) -> TapNames:
        """The student's."""
        return self.student_taps

    @property
    def partner_taps(self) -> TapNames:
        """The teacher's."""
        return self.teacher_taps

    @property
    def pairing(self) -> Pairing:
        """How the two are paired."""
        return self.pair_taps


def term_kinds() -> dict[str, type[Term]]:
    """The terms that compare with a teacher, by short name.

    Example:
        >>> from torchlgg.training import term_kinds
        >>> term_kinds()["gkd"].__name__
        'GKD'
    """
    return dict(_TERMS)


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
    return cast("tuple[LossName, ...]", Distill(losses=names).names)  # type: ignore[arg-type]


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
