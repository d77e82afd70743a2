"""The gradient of the objective, the terms in it, their shares, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from torchlgg import losses
from torchlgg.core import InputError
from torchlgg.graphs import GraphSpec
from torchlgg.nets import build_net
from torchlgg.training import AT, GKD, RKD, SP, Distill, Objective, StepTerms, View
from torchlgg.training._clock import Clock
from torchlgg.training._gradient_norms import GradientNorms

CPU = torch.device("cpu")


class Chain(nn.Module):
    """A network in float64 whose inner values a test can compute by hand: a map, then a vector."""

    auto_taps = ("first", "second")

    def __init__(self, width: int, seed: int, stride: int = 1) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first = nn.Sequential(nn.Conv2d(2, width, 3, stride), nn.ReLU()).double()
        self.second = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, width), nn.Tanh()
        ).double()
        self.head = nn.Linear(width, 3).double()
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.first(x)))

    def by_hand(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        first = self.first(x)
        second = self.second(first)
        return self.head(second), [first, second]


def batch(seed: int = 7) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(9, 2, 5, 5, generator=generator, dtype=torch.float64), torch.arange(9) % 3


def objective(*terms, student: nn.Module | None = None, **options) -> Objective:
    config = Distill(losses=terms, **options)
    return Objective(student or Chain(4, 0), teacher=Chain(6, 1), task=config)


Published = Callable[[Tensor, Tensor, list[Tensor], list[Tensor], Tensor], Tensor]

PUBLISHED: dict[str, tuple[float, Published]] = {
    "hkd": (16, lambda s, t, *_: losses.soft_target_loss(s, t, temperature=4.0)),
    "dkd": (
        1,
        lambda s, t, ss, ts, labels: (
            16 * losses.decoupled_soft_target_loss(s, t, labels, temperature=4.0, beta=8.0)
        ),
    ),
    "dist": (1, lambda s, t, *_: losses.dist_loss(s, t)),
    "rkd": (25, lambda s, t, ss, ts, _: losses.relational_distance_loss(ss, ts)),
    "rkd-a": (50, lambda s, t, ss, ts, _: losses.relational_angle_loss(ss, ts)),
    "sp": (3000, lambda s, t, ss, ts, _: losses.similarity_preserving_loss(ss, ts)),
    "pkt": (30000, lambda s, t, ss, ts, _: losses.probabilistic_knowledge_transfer_loss(ss, ts)),
    "cc": (100, lambda s, t, ss, ts, _: losses.correlation_congruence_loss(ss, ts)),
    # of the maps alone
    "at": (3000, lambda s, t, ss, ts, _: losses.attention_transfer_loss(ss[0], ts[0])),
    "gkd": (
        25,
        lambda s, t, ss, ts, _: losses.graph_distillation_loss(
            ss, ts, spec=GraphSpec.graph_kd(), mask_from="teacher"
        ),
    ),
}


def by_hand(student: Chain, names: tuple[str, ...]) -> dict[str, Tensor]:
    """The weighted terms, each written out."""
    x, labels = batch()
    logits, taps = student.by_hand(x)
    with torch.no_grad():
        target, theirs = Chain(6, 1).by_hand(x)
    values = {"ce": nn.functional.cross_entropy(logits, labels)}
    for name in names:
        weight, loss = PUBLISHED[name]
        values[name] = weight * loss(logits, target, taps, theirs, labels)
    return values


def gradients(net: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}


# ------------------------------------------------------------------------- the sum of the terms


@pytest.mark.parametrize(
    "names", [*((name,) for name in PUBLISHED), tuple(PUBLISHED), ()], ids="+".join
)
def test_gradient_is_that_of_the_published_sum(names) -> None:
    student, twin = Chain(4, 0), Chain(4, 0)
    tested = objective(*names, student=student)
    found = tested.backward(*batch(), Clock(CPU)).values
    expected = by_hand(twin, names)
    sum(expected.values()).backward()
    assert list(found) == list(expected) == list(tested.names)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value.detach())
    for name, parameter in twin.named_parameters():
        torch.testing.assert_close(gradients(student)[name], parameter.grad, rtol=1e-9, atol=1e-12)
    if tested.teacher is not None:
        assert all(parameter.grad is None for parameter in tested.teacher.parameters())


def value(term, name: str | None = None, **options) -> float:
    return objective(term, **options).rehearse(*batch())[name or getattr(term, "name", term)]


def test_settings_reach_the_losses() -> None:
    x, labels = batch()
    logits, taps = Chain(4, 0).by_hand(x)
    target, theirs = Chain(6, 1).by_hand(x)
    spec = GraphSpec.graph_kd(3)
    config = Distill(losses=tuple(PUBLISHED))
    for name, settings, expected in (
        ("hkd", {"temperature": 2.0}, losses.soft_target_loss(logits, target, temperature=2.0)),
        (
            "dkd",
            {"temperature": 2.0, "alpha": 0.5, "beta": 3.0},
            4
            * losses.decoupled_soft_target_loss(
                logits, target, labels, temperature=2.0, alpha=0.5, beta=3.0
            ),
        ),
        (
            "dist",
            {"beta": 2.0, "gamma": 0.5, "temperature": 3.0},
            losses.dist_loss(logits, target, beta=2.0, gamma=0.5, temperature=3.0),
        ),
        (
            "cc",
            {"gamma": 1.0, "order": 3},
            losses.correlation_congruence_loss(taps, theirs, gamma=1.0, order=3),
        ),
        ("at", {"power": 4}, losses.attention_transfer_loss(taps[0], theirs[0], power=4)),
        (
            "gkd",
            {"spec": spec, "power": 2, "mask_from": "own"},
            losses.graph_distillation_loss(taps, theirs, spec=spec, power=2),
        ),
    ):
        term = replace(config.term(name), weight=3.0, **settings)
        assert value(term) == pytest.approx(3 * float(expected.detach())), name


@pytest.mark.parametrize("name", ["rkd", "rkd-a", "sp", "pkt", "cc", "at", "gkd"])
def test_a_term_may_have_its_own_taps(name: str) -> None:
    chosen = "first" if name == "at" else "second"
    term = Distill(losses=(name,)).term(name)
    student, teacher = Chain(4, 0).by_hand(batch()[0]), Chain(6, 1).by_hand(batch()[0])
    place = {"first": 0, "second": 1}[chosen]
    alone = [[taps[place]] for _, taps in (student, teacher)]
    weight, loss = PUBLISHED[name]
    expected = weight * float(loss(student[0], teacher[0], *alone, batch()[1]).detach())
    assert value(replace(term, taps=(chosen,))) == pytest.approx(expected)
    with pytest.raises(InputError, match=rf"the `taps` of {name} ask for 'frist'.*mean 'first'"):
        value(replace(term, taps=("frist",)))


def test_taps_of_a_term_are_named_after_the_student() -> None:
    student = {"a": torch.rand(5, 3), "b": torch.rand(5, 2)}
    teacher = {"x": torch.rand(5, 4), "y": torch.rand(5, 7)}
    logits = torch.zeros(5, 3)
    found = RKD(taps=("b", "a")).loss(View(logits, student), View(logits, teacher), torch.zeros(5))
    expected = losses.relational_distance_loss(student, teacher)
    torch.testing.assert_close(found, expected)
    one = SP(taps=("b",)).loss(View(logits, student), View(logits, teacher), torch.zeros(5))
    torch.testing.assert_close(one, losses.similarity_preserving_loss(student["b"], teacher["y"]))


def test_attention_takes_the_maps_among_the_taps() -> None:
    logits, labels = torch.zeros(5, 3), torch.zeros(5)
    s, t = torch.rand(5, 4, 3, 3), torch.rand(5, 7, 3, 3)
    spot, vector, sequence = torch.rand(5, 4, 1, 1), torch.rand(5, 4), torch.rand(5, 9, 4)

    def loss(student: dict[str, Tensor], teacher: dict[str, Tensor], **settings) -> Tensor:
        return AT(**settings).loss(View(logits, student), View(logits, teacher), labels)

    mixed = {"spot": spot, "map": s, "vector": vector, "tokens": sequence}
    theirs = {"spot": spot, "map": t, "vector": vector, "tokens": sequence}
    torch.testing.assert_close(loss(mixed, theirs), losses.attention_transfer_loss(s, t))
    with pytest.raises(InputError, match=r"no pair of taps is one.*a \(4,\), b \(9, 4\)"):
        loss({"a": vector, "b": sequence}, {"a": t, "b": t})
    with pytest.raises(InputError, match=r"`student\['vector'\]` must be feature maps"):
        loss(mixed, theirs, taps=("map", "vector"))


def test_taps_of_other_resolution_are_named() -> None:
    config = Distill(losses=("at",))
    coarse = Objective(Chain(4, 0, stride=2), teacher=Chain(6, 1), task=config)
    with pytest.raises(InputError, match=r"`student\['first'\]` and `teacher\['first'\]`.*\(1, 1"):
        # one position on one side: named, it is asked for all the same
        Objective(
            Chain(4, 0, stride=2),
            teacher=Chain(6, 1),
            task=Distill(losses=(AT(taps=("first",)),)),
        ).rehearse(*(part[..., :4, :4] if part.ndim == 4 else part for part in batch()))
    with pytest.raises(InputError, match=r"student\['first'\] has \(2, 2\), teacher.*\(3, 3\)"):
        coarse.rehearse(*batch())


# ---------------------------------------------------------------------------- shares and ratios


def alone(*terms, seed: int = 7, **options) -> dict[str, float]:
    """The norm of each bare loss's gradient at the parameters, in a backward pass of its own."""
    x, labels = batch(seed)
    config = Distill(losses=terms, **options)
    found = {}
    for name in ("ce", *config.names):
        student = Chain(4, 0)
        logits, taps = student.by_hand(x)
        with torch.no_grad():
            target, theirs = Chain(6, 1).by_hand(x)
        views = [
            View(z, dict(zip(("first", "second"), rest, strict=True)))
            for z, rest in ((logits, taps), (target, theirs))
        ]
        if name == "ce":
            loss = nn.functional.cross_entropy(logits, labels)
        else:
            loss = config.term(name).loss(*views, labels)
        loss.backward()
        found[name] = float(torch.cat([g.flatten() for g in gradients(student).values()]).norm())
    return found


def test_shares_are_those_of_the_gradient_at_the_parameters() -> None:
    step = objective("hkd", "gkd", weights={"gkd": 3.0}).backward(*batch(), Clock(CPU))
    norms = alone("hkd", "gkd")
    sizes = {"ce": norms["ce"], "hkd": 16 * norms["hkd"], "gkd": 3 * norms["gkd"]}
    assert step.shares == pytest.approx(
        {name: size / sum(sizes.values()) for name, size in sizes.items()}
    )


def test_shares_are_measured_in_every_twentieth_step() -> None:
    tested, plain = objective("gkd"), objective()
    measured = [tested.backward(*batch(), Clock(CPU)).shares is not None for _ in range(41)]
    assert [step for step, there in enumerate(measured) if there] == [0, 20, 40]
    assert plain.backward(*batch(), Clock(CPU)).shares is None  # one term has no share to tell


def test_measuring_leaves_the_gradient_alone() -> None:
    first, second = Chain(4, 0), Chain(4, 0)
    tested = objective("gkd", "rkd", student=first)
    untold = objective("gkd", "rkd", student=second)
    untold._norms.tick()  # its first step is not one to measure in
    assert tested.backward(*batch(), Clock(CPU)).shares is not None
    assert untold.backward(*batch(), Clock(CPU)).shares is None
    for name, gradient in gradients(first).items():
        torch.testing.assert_close(gradient, gradients(second)[name], rtol=0, atol=0)


def trained(
    *terms, steps: int = 45, rate: float = 0.05, **options
) -> tuple[Chain, list[StepTerms]]:
    """Plain gradient descent over changing batches, past two more measurements."""
    student = Chain(4, 0)
    tested = objective(*terms, student=student, **options)
    optimizer = torch.optim.SGD(student.parameters(), lr=rate)
    found = []
    for step in range(steps):
        optimizer.zero_grad()
        found.append(tested.backward(*batch(step), Clock(CPU)))
        optimizer.step()
    return student, found


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_ratio_is_the_one_that_was_asked_for(name: str) -> None:
    """In the first step exactly; later to the running mean's lag."""
    _, steps = trained(name, gradient_ratios={name: 0.5})
    for step, share, tolerance in ((0, 1 / 3, 1e-9), (20, 1 / 3, 0.1), (40, 1 / 3, 0.1)):
        shares = steps[step].shares
        assert shares is not None
        assert shares[name] == pytest.approx(share, abs=tolerance)


def test_norms_run_with_momentum_one_half() -> None:
    norms = GradientNorms()
    for ce, gkd in ((1.0, 5.0), (2.0, 0.0), (4.0, 3.0)):
        norms.add({"ce": ce, "gkd": gkd})
    expected = (0.25 * 1 + 0.5 * 2 + 4) / (0.25 * 5 + 0.5 * 0 + 3)
    assert norms.ratio("ce", "gkd") == pytest.approx(expected)


def test_two_ratios_beside_a_weight() -> None:
    ratios = {"gkd": 2.0, "sp": 0.25}
    step = objective("hkd", "gkd", "sp", gradient_ratios=ratios).backward(*batch(), Clock(CPU))
    norms = alone("hkd", "gkd", "sp")
    shares = step.shares
    assert shares is not None
    assert shares["gkd"] / shares["ce"] == pytest.approx(2.0)
    assert shares["sp"] / shares["ce"] == pytest.approx(0.25)
    assert shares["hkd"] / shares["ce"] == pytest.approx(16 * norms["hkd"] / norms["ce"])


@dataclass(frozen=True, kw_only=True)
class Louder(GKD):
    """The graph loss in another unit."""

    factor: float = 1.0

    def loss(self, student: View, teacher: View, labels_N: Tensor) -> Tensor:
        return self.factor * super().loss(student, teacher, labels_N)


def test_a_ratio_does_not_depend_on_the_unit_of_the_loss() -> None:
    """Times 1,024 not a bit changes, times 1,000 no more than rounding; with a weight all does."""
    loud = {factor: Louder(factor=factor, gradient_ratio=1.0) for factor in (1.0, 1024.0, 1000.0)}
    (one, steps), (power, _), (other, _) = (trained(term) for term in loud.values())
    for name, parameter in one.named_parameters():
        torch.testing.assert_close(power.get_parameter(name), parameter, rtol=0, atol=0)
        torch.testing.assert_close(other.get_parameter(name), parameter, rtol=1e-7, atol=1e-9)
    fixed, louder = (
        trained(replace(loud[factor], gradient_ratio=None, weight=1.0))[0]
        for factor in (1.0, 1024.0)
    )
    assert not torch.allclose(fixed.first[0].weight, louder.first[0].weight, rtol=0, atol=1e-2)
    assert all(step.values["gkd"].isfinite() for step in steps)


def test_a_ratio_means_the_same_for_another_batch_size() -> None:
    """A fixed weight on a sum over N^2 entries does not."""

    def share(count: int, **options) -> float:
        x, labels = batch()
        step = objective("gkd", **options).backward(x[:count], labels[:count], Clock(CPU))
        assert step.shares is not None
        return step.shares["gkd"]

    assert share(9, gradient_ratios={"gkd": 1.0}) == pytest.approx(0.5)
    assert share(4, gradient_ratios={"gkd": 1.0}) == pytest.approx(0.5)
    assert abs(share(9, weights={"gkd": 1.0}) - share(4, weights={"gkd": 1.0})) > 0.02


def test_going_on_from_a_state_changes_nothing() -> None:
    def steps(tested: Objective, first: int, last: int) -> list[dict[str, Tensor]]:
        return [dict(tested.backward(*batch(at), Clock(CPU)).values) for at in range(first, last)]

    def made() -> Objective:
        return objective("gkd", gradient_ratios={"gkd": 1.0})

    unbroken = steps(made(), 0, 45)
    before, after = made(), made()
    found = steps(before, 0, 13)
    after.load_state_dict(before.state_dict())
    found += steps(after, 13, 45)
    for one, other in zip(unbroken, found, strict=True):
        for name, number in one.items():
            torch.testing.assert_close(other[name], number, rtol=0, atol=0)
    assert after.state_dict() != before.state_dict()  # a copy


def test_a_loss_without_a_gradient_weighs_nothing() -> None:
    """The student is its teacher: there is nothing to divide by."""
    student = Chain(6, 1)
    tested = objective("gkd", student=student, gradient_ratios={"gkd": 1.0})
    step = tested.backward(*batch(), Clock(CPU))
    assert step.shares == {"ce": 1.0, "gkd": pytest.approx(0.0, abs=1e-6)}
    assert step.values["gkd"] == pytest.approx(0.0, abs=1e-6)
    assert all(gradient.isfinite().all() for gradient in gradients(student).values())


def test_frozen_layers_take_no_part() -> None:
    """Fine-tuning: a tap of a frozen layer pulls at nothing."""
    student = Chain(4, 0)
    student.first.requires_grad_(False)
    step = objective("at", "gkd", student=student).backward(*batch(), Clock(CPU))
    assert step.shares is not None
    assert step.shares["at"] == 0
    assert step.shares["gkd"] > 0
    assert set(gradients(student)) == {
        f"{layer}.{kind}" for layer in ("second.2", "head") for kind in ("weight", "bias")
    }


# ------------------------------------------------------------------------------------- the rest


def test_rehearsal_changes_nothing() -> None:
    torch.manual_seed(0)
    student = build_net("small_cnn-3", num_classes=10, in_channels=1)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    student.stage2.bn.eval()  # as somebody has who keeps its statistics
    Objective(student).rehearse(torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 3]))
    assert student.training
    assert not student.stage2.bn.training
    for name, parameter in student.state_dict().items():
        torch.testing.assert_close(parameter, before[name], rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in student.parameters())


def test_teacher_is_in_eval_mode_and_keeps_its_statistics() -> None:
    torch.manual_seed(0)
    teacher = build_net("small_cnn-3", num_classes=10, in_channels=1).train()
    student = build_net("small_cnn-2", num_classes=10, in_channels=1)
    tested = Objective(student, teacher=teacher, task=Distill())
    before = teacher.stage1.bn.running_mean.clone()
    tested.backward(torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 3]), Clock(CPU))
    assert not teacher.training
    torch.testing.assert_close(teacher.stage1.bn.running_mean, before, rtol=0, atol=0)


def test_sentences() -> None:
    x, labels = batch()
    student, teacher = Chain(4, 0), Chain(6, 1)
    with pytest.raises(InputError, match=r"the losses hkd\+gkd need a teacher"):
        Objective(student, task=Distill(losses=("hkd", "gkd")))
    one = Distill(student_taps=("first",))
    with pytest.raises(InputError, match=r"the student has 1 \(first\) and the teacher 2"):
        Objective(student, teacher=teacher, task=one).rehearse(x, labels)
    unknown = Distill(student_taps=("frist", "second"))
    with pytest.raises(InputError, match="did you mean 'first'"):
        Objective(student, teacher=teacher, task=unknown).rehearse(x, labels)
    with torch.no_grad():
        teacher.second[2].bias[2] = torch.nan
    with pytest.raises(InputError, match=r"`teacher\['second'\]` must be finite; 9 of its 54"):
        Objective(student, teacher=teacher, task=Distill()).rehearse(x, labels)


def test_smallest_batch() -> None:
    assert Objective(Chain(4, 0)).smallest_batch == 2
    graphs = GKD(spec=GraphSpec.graph_kd(5))
    assert objective(graphs).smallest_batch == 6
    assert objective("rkd", graphs, "hkd").smallest_batch == 6
    assert objective("rkd", "gkd").smallest_batch == 2
