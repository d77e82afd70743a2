"""What is measured. Each case gives the lines of the page it fills; ``quick`` only smokes."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch
from torch import Tensor

import torchlgg.losses
from benchmarks._child import features
from benchmarks._forms import backward_of, dense_distance, diagonal_distance
from benchmarks._measure import (
    Row,
    at_most,
    in_child,
    interleaved,
    medians,
    quartiles,
    ratios,
    times,
)
from benchmarks._peer_cases import losses_of_peers
from benchmarks._training_cases import distillation, training
from torchlgg import capture, graph_distillation_loss, smoothness_variation_loss, soft_target_loss
from torchlgg.nets import build_net


def complete_graph(quick: bool) -> list[Row]:
    count, width = (300, 16) if quick else (4096, 512)
    x, y = features(count, width, 0), features(count, width, 1)
    found, expected = graph_distillation_loss(x, y), dense_distance(x.double(), y.double())
    assert abs(float(found) / float(expected) - 1) < 1e-4, (found, expected)

    def products() -> None:
        for _ in range(3):
            x @ y.T

    forms = interleaved(
        {
            "sums": backward_of(graph_distillation_loss, x, y),
            "dense": backward_of(dense_distance, x, y),
            "three N×N products": products,
        },
        rounds=2 if quick else 7,
    )
    loop = interleaved(
        {
            "sums": backward_of(graph_distillation_loss, x, y),
            "diagonal": backward_of(diagonal_distance, x, y),
        },
        rounds=1 if quick else 2,
        warm_up=False,
    )
    size = f"complete graph, N = {count:,}, D = {width}: "
    note = "its products are in float64, at half the speed: docs/decisions/0007"
    return [
        times(
            size + "faster than the dense form with matrix operations",
            forms,
            "dense",
            "sums",
            8,
            note=note,
        ),
        times(size + "than with diagonal matrices and a row loop", loop, "diagonal", "sums", 50),
        at_most(
            size + "time of three bare N×N products", forms, "sums", "three N×N products", None
        ),
    ]


def large_batch(quick: bool) -> list[Row]:
    small, large, checked, width = (512, 1024, 600, 16) if quick else (8192, 65_536, 16_384, 512)
    rounds = 1 if quick else 3
    runs = [
        [in_child("gkd", count=count, width=width, check=False) for count in (small, large)]
        for _ in range(rounds)
    ]
    seconds = {
        f"{count}": [pair[place]["seconds"] for pair in runs]
        for place, count in enumerate((small, large))
    }
    peak = max(pair[1]["peak above the inputs (MB)"] for pair in runs)
    truth = in_child("gkd", count=checked, width=width, check=True)
    value, gradient = truth["value error"], truth["gradient error"]
    low, middle, high = quartiles(seconds[f"{large}"])
    size = f"complete graph, N = {large:,}, D = {width}: "
    near = f"N = {checked:,}: "
    return [
        Row(size + "time", f"{middle:.2f} s", f"{low:.2f}–{high:.2f}", "runs", True, {}),
        Row(
            size + "peak memory above the inputs", f"{peak:.0f} MB", "", "≤ 800 MB", peak <= 800, {}
        ),
        Row(
            near + "error of the value against float64 in chunks",
            f"{value:.0e}",
            "",
            "≤ 1e-4",
            value <= 1e-4,
            {},
            "at a quarter of the batch: the chunks would take minutes at the whole",
        ),
        Row(near + "of the gradient", f"{gradient:.0e}", "", "≤ 1e-3", gradient <= 1e-3, {}),
        at_most(f"growth of time, N = {small:,} to {large:,}", seconds, f"{large}", f"{small}", 10),
    ]


def smoothness_share(quick: bool) -> list[Row]:
    name, count = ("small_cnn-4", 16) if quick else ("preactresnet18", 100)
    net = build_net(name, num_classes=10)
    images, labels = torch.rand(count, 3, 32, 32), torch.arange(count) % 10
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    with capture(net, list(net.relu_taps)) as taps, torch.no_grad():
        net(images)
    layers = [tap.detach().requires_grad_() for tap in taps.values()]

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        optimizer.step()

    def loss() -> None:
        for layer in layers:
            layer.grad = None
        smoothness_variation_loss(layers, labels).backward()

    flat = [layer.detach().flatten(1) for layer in layers]
    slope = torch.rand(count, count)

    def floor() -> list[Tensor]:
        return [product for x in flat for product in (x @ x.T, slope @ x)]

    forms = interleaved({"loss": loss, "floor": floor, "step": step}, rounds=1 if quick else 3)
    low, middle, high = ratios(forms["loss"], forms["step"])
    share = [100 * ratio / (1 + ratio) for ratio in (low, middle, high)]
    return [
        Row(
            f"σ² and its variation, {len(layers)} taps of {name}, batch {count}: share of a step",
            f"{share[1]:.1f} %",
            f"{share[0]:.1f}–{share[2]:.1f}",
            "≤ 10 %",
            share[1] <= 10,
            medians(forms),
            "the loss on the layers' outputs, over it plus a step without; most is bare products",
        ),
        at_most("the same over the two bare products of each layer", forms, "loss", "floor", None),
    ]


def distillation_step(quick: bool) -> list[Row]:
    count = 8 if quick else 128
    teacher = build_net("wrn28-1", num_classes=10).eval()
    student = build_net("wrn28-0.5", num_classes=10)
    names = list(student.auto_taps)
    images = torch.rand(count, 3, 32, 32)
    labels = torch.arange(count) % 10
    optimizer = torch.optim.SGD(student.parameters(), lr=0.01)

    def step(graphs: bool) -> None:
        optimizer.zero_grad()
        with torch.no_grad(), capture(teacher, names) as theirs:
            targets = teacher(images)
        with capture(student, names) as taps:
            logits = student(images)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        if graphs:
            loss = loss + 25 * graph_distillation_loss(taps, theirs)
        else:
            loss = loss + 16 * soft_target_loss(logits, targets, temperature=4.0)
        loss.backward()
        optimizer.step()

    forms = interleaved(
        {"gkd": lambda: step(True), "hkd": lambda: step(False)}, rounds=1 if quick else 7
    )
    measure = f"step with GKD at {len(names)} taps, wrn28-1 → wrn28-0.5, batch {count}, over HKD's"
    note = "two of the taps are early ones, see there: what is left to win is in their products"
    return [at_most(measure, forms, "gkd", "hkd", 1.08, note=note)]


def early_tap(quick: bool) -> list[Row]:
    count, width = (16, 256) if quick else (128, 16_384)
    x, y = features(count, width, 0), features(count, width, 1)
    slope = torch.rand(count, count)

    def two() -> None:
        x @ x.T
        slope @ x

    def three() -> None:
        y @ y.T
        two()

    forms = interleaved(
        {"gkd": backward_of(graph_distillation_loss, x, y), "two": two, "three": three},
        rounds=3 if quick else 41,
    )
    size = f"early tap, N = {count}, D = {width:,}: "
    return [
        at_most(
            size + "over the student's two bare products",
            forms,
            "gkd",
            "two",
            1.3,
            note="the teacher's product, which the loss needs too, is not in the two",
        ),
        at_most(size + "over these and the teacher's product", forms, "gkd", "three", None),
    ]


def every_loss(quick: bool) -> list[Row]:
    rows = []
    labels_of = {"graph_smoothness_loss", "smoothness_variation_loss"}
    for count in (16,) if quick else (128, 512):
        x, y = features(count, 512, 0), features(count, 512, 1)
        labels = torch.arange(count) % 10
        slope = torch.rand(count, count)
        forms: dict[str, Callable] = {"floor": lambda x=x, slope=slope: (x @ x.T, slope @ x)}
        for name in sorted(n for n in torchlgg.losses.__all__ if n.endswith("_loss")):
            loss = getattr(torchlgg.losses, name)
            wanted = inspect.signature(loss).parameters
            cubic = name == "relational_angle_loss" and count > 128
            if cubic or ("student" not in wanted and name not in labels_of):
                continue
            if any(p.default is p.empty and p.kind is p.KEYWORD_ONLY for p in wanted.values()):
                continue

            def run(loss=loss, name=name, x=x, y=y, labels=labels) -> None:
                leaf = x.detach().requires_grad_()
                if name == "smoothness_variation_loss":
                    loss([leaf, y], labels).backward()
                elif name == "graph_smoothness_loss":
                    loss(leaf, labels).backward()
                else:
                    loss(leaf, y).backward()

            try:
                run()
            except torchlgg.losses.__dict__.get("InputError", ValueError):
                continue  # a loss of maps or logits, which these features are not
            forms[name] = run
        seconds = interleaved(forms, rounds=1 if quick else 7)
        rows += [
            at_most(
                f"{name}, N = {count}, D = 512: over two bare products",
                seconds,
                name,
                "floor",
                None,
            )
            for name in forms
            if name != "floor"
        ]
    return rows


CASES: dict[str, Callable[[bool], list[Row]]] = {
    "complete graph": complete_graph,
    "large batch": large_batch,
    "smoothness": smoothness_share,
    "distillation step": distillation_step,
    "early tap": early_tap,
    "every loss": every_loss,
    "losses against torchdistill": losses_of_peers,
    "training": training,
    "training against torchdistill": distillation,
}
