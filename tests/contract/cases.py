"""What each loss declares about itself; the contract suites ask the rest.

A loss joins by being exported from ``torchlgg.losses`` under a name that ends in ``_loss``; it then
needs an entry of ``CASES``, and the suite says so in a sentence. A case says how generic inputs are
made, which value every option can take, which oracle knows the answer, what must not change the
value, and where it must be zero.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import torchlgg.losses
from tests.oracles import losses as oracles
from torchlgg.graphs import GraphSpec

N = 7  # examples of a generic batch: enough for k = 3 to leave something out
CLASSES = 3
HARD_LABELS = torch.tensor([0, 1, 2, 0, 1, 1, 0])

GRAPH_OPTIONS: dict[str, list[Any]] = {
    "similarity": ["cosine", "shifted_cosine", "exponential", "rbf"],
    "k": [None, 3],
    "neighbors": ["union", "mutual", "directed", "mean"],
    "normalization": ["symmetric", "random_walk", None],
    "threshold": ["before_normalization", "after_normalization"],
    "include_self": [False, True],
    "center": [False, True],
    "weights": ["similarity", "binary"],
    "bandwidth": ["median", "mean", 1.7],
}


def spec_options(spec: GraphSpec) -> dict[str, Any]:
    """The options of a spec, as the oracles take them."""
    return {name: getattr(spec, name) for name in GRAPH_OPTIONS}


def covering(options: Mapping[str, list[Any]], strength: int = 2) -> list[dict[str, Any]]:
    """Few settings in which every ``strength`` options meet in every combination of their values.

    The first setting is the first value of every option. Greedy, and the same on every machine.
    """
    names = list(options)
    groups = list(itertools.combinations(range(len(names)), min(strength, len(names))))
    missing = {
        (group, values)
        for group in groups
        for values in itertools.product(*(range(len(options[names[g]])) for g in group))
    }
    dice = random.Random(0)
    rows: list[tuple[int, ...]] = [(0,) * len(names)]

    def gains(row: tuple[int, ...]) -> set[tuple[tuple[int, ...], tuple[int, ...]]]:
        return {(group, tuple(row[g] for g in group)) for group in groups} & missing

    missing -= gains(rows[0])
    while missing:
        group, values = min(missing)
        candidates = []
        for _ in range(10):
            row = [dice.randrange(len(options[name])) for name in names]
            for place, value in zip(group, values, strict=True):
                row[place] = value
            candidates.append(tuple(row))
        best = max(candidates, key=lambda row: len(gains(row)))
        missing -= gains(best)
        rows.append(best)
    return [
        {name: options[name][value] for name, value in zip(names, row, strict=True)} for row in rows
    ]


def one_at_a_time(options: Mapping[str, list[Any]], **base: Any) -> list[dict[str, Any]]:
    """The base, then the base with one option at each of its other values."""
    start = {name: values[0] for name, values in options.items()} | base
    return [start] + [
        start | {name: value}
        for name, values in options.items()
        for value in values
        if value != start[name]
    ]


@dataclasses.dataclass(frozen=True)
class Call:
    """Arguments of one call; every tensor in it has the examples first."""

    args: tuple[Any, ...]
    options: dict[str, Any]

    def map(self, change: Callable[[Tensor], Tensor]) -> Call:
        """The call with every tensor changed, in lists and keywords too."""
        return Call(
            tuple(map_tensors(arg, change) for arg in self.args),
            {name: map_tensors(value, change) for name, value in self.options.items()},
        )

    def floats(self, change: Callable[[Tensor], Tensor]) -> Call:
        """The call with every tensor of features, logits or soft labels changed."""
        return self.map(lambda x: change(x) if x.is_floating_point() else x)


def map_tensors(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A tensor, or the tensors of a list, changed; anything else as it is."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, list):
        return [map_tensors(item, change) for item in value]
    return value


def to_oracle(value: Any) -> Any:
    """Tensors as arrays and specs as dicts of their options."""
    if isinstance(value, Tensor):
        return value.detach().numpy()
    if isinstance(value, GraphSpec):
        return spec_options(value)
    if isinstance(value, list):
        return [to_oracle(item) for item in value]
    return value


@dataclasses.dataclass(frozen=True)
class Case:
    """One loss: see the module for what each field declares."""

    name: str
    kind: str  # "features", "maps", "logits" (all: student, teacher), "labelled" or "layers"
    oracle: Callable[..., float]
    settings: tuple[dict[str, Any], ...]  # each option value, also in company
    gradient_settings: tuple[dict[str, Any], ...]  # enough of them for finite differences
    compile_settings: tuple[dict[str, Any], ...]  # the branches a compiler must get through
    choices: dict[str, list[Any]]  # options that are words: all the words there are
    invariances: Callable[[dict[str, Any]], set[str]]  # rotation, scale, translation, logit_shift
    degenerate_settings: dict[str, dict[str, Any]]  # title -> options, columns of the table
    dead_row_is_inert: bool  # an all-zero row takes no part, hence has no gradient
    needs_labels: bool = False  # beside student and teacher
    gradient_at_zero: float = 1e-10  # the most that rounding leaves of it where the value is zero

    @property
    def function(self) -> Callable[..., Tensor]:
        return getattr(torchlgg.losses, self.name)

    @property
    def module(self) -> type[nn.Module]:
        return getattr(torchlgg.losses, module_name(self.name))

    @property
    def has_teacher(self) -> bool:
        return self.kind in ("features", "maps", "logits")

    @property
    def takes_taps(self) -> bool:
        """Student and teacher may be several representations."""
        return self.kind in ("features", "maps")

    def variants(self) -> tuple[str, ...]:
        """The kinds of generic input this loss is asked about."""
        return {
            "features": ("signed", "non-negative"),
            "maps": ("signed", "non-negative"),
            "logits": ("signed",),
            "labelled": ("hard", "soft"),
            "layers": ("hard signed", "soft non-negative"),
        }[self.kind]

    def call(
        self,
        setting: Mapping[str, Any],
        variant: str | None = None,
        *,
        seed: int = 0,
        dtype: torch.dtype = torch.float64,
    ) -> Call:
        """Generic inputs for one setting."""
        variant = variant or self.variants()[0]
        generator = torch.Generator().manual_seed(seed)

        def features(*shape: int) -> Tensor:
            x = torch.randn(N, *shape, generator=generator, dtype=torch.float64)
            return (x.abs() + 0.05 if "non-negative" in variant else x).to(dtype)

        labels = HARD_LABELS
        if "soft" in variant:
            noise = torch.rand(N, CLASSES, generator=generator, dtype=torch.float64)
            labels = (noise / noise.sum(1, keepdim=True)).to(dtype)
        options = dict(setting)
        if self.needs_labels or options.get("edges", "all") != "all":
            options["labels"] = labels
        if self.kind == "features":
            return Call((features(2, 3), features(5)), options)
        if self.kind == "maps":
            return Call((features(2, 2, 3), features(4, 2, 3)), options)
        if self.kind == "logits":
            return Call((2 * features(4), 2 * features(4)), options)
        if self.kind == "labelled":
            return Call((features(4), labels), options)
        assert self.kind == "layers"
        return Call(([features(2, 2), features(5), features(3)], labels), options)

    def zero_calls(self, setting: Mapping[str, Any]) -> list[Call]:
        """Calls whose value is zero by the definition."""
        call = self.call(setting)
        if self.has_teacher:
            student = call.args[0]
            return [Call((student, student.clone()), call.options)]
        if self.kind == "labelled":
            return [Call((call.args[0], torch.ones(N, dtype=torch.int64)), call.options)]
        layers, labels = call.args
        return [
            Call(([layers[1]] * 3, labels), call.options),
            Call((layers, torch.zeros(N, dtype=torch.int64)), call.options),
        ]

    def inputs_with_gradient(self, call: Call) -> list[Tensor]:
        """The tensors this loss trains: student, embeddings or layers; never a teacher."""
        first = call.args[0]
        return list(first) if isinstance(first, list) else [first]

    def __str__(self) -> str:
        return self.name


def module_name(function_name: str) -> str:
    """dist_loss -> DistLoss."""
    return "".join(word.capitalize() for word in function_name.split("_"))


def describe(setting: Mapping[str, Any]) -> str:
    """A setting as a test's id."""
    text = ",".join(f"{name}={value}" for name, value in setting.items())
    return re.sub(r"GraphSpec|[\s'\"]", "", text) or "defaults"


def spread(options: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Settings of a loss of graphs: what belongs to the graph goes into its spec."""
    out = []
    for option in options:
        graph = {name: value for name, value in option.items() if name in GRAPH_OPTIONS}
        rest = {name: value for name, value in option.items() if name not in GRAPH_OPTIONS}
        out.append({"spec": GraphSpec(**graph), **rest})
    return tuple(out)


def graph_invariances(setting: Mapping[str, Any]) -> set[str]:
    """Every similarity turns with the features; distances ignore an offset, ratios a scale."""
    spec = setting.get("spec", GraphSpec())
    found = {"rotation"}
    if spec.similarity in ("cosine", "shifted_cosine") or isinstance(spec.bandwidth, str):
        found.add("scale")
    if spec.center or spec.similarity in ("exponential", "rbf"):
        found.add("translation")
    return found


def always(*names: str) -> Callable[[dict[str, Any]], set[str]]:
    """The same invariances whatever the setting."""
    return lambda setting: set(names)


DISTILLATION_OPTIONS: dict[str, list[Any]] = {
    **GRAPH_OPTIONS,
    "power": [1, 2, 3, 4],
    "edges": ["all", "intra", "inter"],
    "mask_from": ["own", "teacher"],
    "reduction": ["sum", "mean"],
    "max_memory": [2**28, 1000],
}
VARIATION_OPTIONS: dict[str, list[Any]] = {"power": [2, 1, 3], **GRAPH_OPTIONS}
SMOOTHNESS_OPTIONS: dict[str, list[Any]] = {
    "alpha": [1.0, 0.3, 2.5],
    "k": [None, 3],
    "reduction": ["mean", "sum"],
    "max_memory": [2**28, 1000],
}
SOFT_TARGET_OPTIONS: dict[str, list[Any]] = {
    "temperature": [4.0, 1.0, 0.5],
    "scale": ["none", "temperature_squared"],
}
CONGRUENCE_OPTIONS: dict[str, list[Any]] = {"gamma": [0.4, 1.3], "order": [2, 1, 4]}
DIST_OPTIONS: dict[str, list[Any]] = {
    "beta": [1.0, 0.0, 0.5],
    "gamma": [1.0, 0.0, 2.0],
    "temperature": [1.0, 4.0],
}
DECOUPLED_OPTIONS: dict[str, list[Any]] = {
    **SOFT_TARGET_OPTIONS,
    "alpha": [1.0, 0.0, 2.5],
    "beta": [8.0, 0.0, 0.5],
}
ATTENTION_OPTIONS: dict[str, list[Any]] = {"power": [2, 1, 4]}
TILED_OPTIONS: dict[str, list[Any]] = {"max_memory": [2**28, 1000]}  # everything, or a row or two
TRANSFER_OPTIONS: dict[str, list[Any]] = {"reduction": ["mean", "sum"]}


def differentiable(options: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without binary weights, which are constants."""
    return [option for option in options if option.get("weights") != "binary"]


_CASES = [
    Case(
        name="graph_distillation_loss",
        kind="features",
        oracle=oracles.graph_distillation_loss,
        settings=({}, *spread(covering(DISTILLATION_OPTIONS, strength=3))),
        gradient_settings=spread(
            [
                *differentiable(one_at_a_time(DISTILLATION_OPTIONS, k=3)),
                *differentiable(covering(DISTILLATION_OPTIONS)),
            ]
        ),
        compile_settings=(
            {},
            *spread(
                [
                    {"k": 3, "similarity": "exponential", "bandwidth": "median"},
                    {"k": 3, "power": 3, "threshold": "after_normalization"},
                    {"edges": "intra", "neighbors": "mean", "k": 3, "center": True},
                    {"mask_from": "teacher", "k": 3, "include_self": True, "weights": "binary"},
                    *covering(DISTILLATION_OPTIONS, strength=1),
                ]
            ),
        ),
        choices={
            "edges": ["all", "intra", "inter"],
            "mask_from": ["own", "teacher"],
            "reduction": ["sum", "mean"],
        },
        invariances=graph_invariances,
        degenerate_settings={
            "GKD": {},
            "k = 3": {"spec": GraphSpec(k=3)},
            "graph_kd, k = 3, teacher's mask": {
                "spec": GraphSpec.graph_kd(3),
                "mask_from": "teacher",
            },
            "inter-class edges, power 3": {"edges": "inter", "power": 3},
            "centred, random walk": {"spec": GraphSpec(center=True, normalization="random_walk")},
            "shifted cosine, mutual k = 3": {
                "spec": GraphSpec(similarity="shifted_cosine", k=3, neighbors="mutual")
            },
            "exponential": {"spec": GraphSpec(similarity="exponential")},
            "RBF, mean bandwidth, k = 3": {
                "spec": GraphSpec(similarity="rbf", bandwidth="mean", k=3)
            },
        },
        dead_row_is_inert=True,
    ),
    Case(
        name="graph_smoothness_loss",
        kind="labelled",
        oracle=oracles.graph_smoothness_loss,
        settings=({}, *covering(SMOOTHNESS_OPTIONS, strength=3)),
        gradient_settings=tuple(covering(SMOOTHNESS_OPTIONS, strength=3)),
        compile_settings=({}, {"k": 3, "reduction": "sum"}, {"k": 3, "max_memory": 1000}),
        choices={"reduction": ["mean", "sum"]},
        invariances=always("rotation", "translation"),
        degenerate_settings={"GSL": {}, "GSL, k = 3, sum": {"k": 3, "reduction": "sum"}},
        dead_row_is_inert=False,
    ),
    Case(
        name="smoothness_variation_loss",
        kind="layers",
        oracle=oracles.smoothness_variation_loss,
        settings=({}, *spread(covering(VARIATION_OPTIONS))),
        gradient_settings=spread(
            [
                *differentiable(one_at_a_time(VARIATION_OPTIONS, k=3)),
                *differentiable(covering(VARIATION_OPTIONS)),
            ]
        ),
        compile_settings=({}, {"power": 1, "spec": GraphSpec.laplacian_networks(3)}),
        choices={},
        invariances=graph_invariances,
        degenerate_settings={
            "variation": {},
            "variation, k = 3": {"spec": GraphSpec.laplacian_networks(3)},
        },
        dead_row_is_inert=True,
    ),
    Case(
        name="soft_target_loss",
        kind="logits",
        oracle=oracles.soft_target_loss,
        settings=tuple(covering(SOFT_TARGET_OPTIONS)),
        gradient_settings=tuple(covering(SOFT_TARGET_OPTIONS)),
        compile_settings=({"temperature": 4.0},),
        choices={"scale": ["none", "temperature_squared"]},
        invariances=always("logit_shift"),
        degenerate_settings={"HKD": {"temperature": 4.0}},
        dead_row_is_inert=False,
    ),
    Case(
        name="decoupled_soft_target_loss",
        kind="logits",
        needs_labels=True,
        oracle=oracles.decoupled_soft_target_loss,
        settings=({"temperature": 4.0}, *covering(DECOUPLED_OPTIONS)),
        gradient_settings=tuple(s for s in covering(DECOUPLED_OPTIONS) if s["alpha"] or s["beta"]),
        compile_settings=({"temperature": 4.0},),
        choices={"scale": ["none", "temperature_squared"]},
        invariances=always("logit_shift"),
        degenerate_settings={"DKD": {"temperature": 4.0}},
        dead_row_is_inert=False,
    ),
    Case(
        name="attention_transfer_loss",
        kind="maps",
        oracle=oracles.attention_transfer_loss,
        settings=({}, *covering(ATTENTION_OPTIONS)),
        gradient_settings=tuple(covering(ATTENTION_OPTIONS)),
        compile_settings=({}, {"power": 1}),
        choices={},
        invariances=always("scale"),
        degenerate_settings={"AT": {}},
        dead_row_is_inert=True,
    ),
    Case(
        name="relational_distance_loss",
        kind="features",
        oracle=oracles.relational_distance_loss,
        settings=({}, *covering(TILED_OPTIONS)),
        gradient_settings=tuple(covering(TILED_OPTIONS)),
        compile_settings=({}, {"max_memory": 1000}),
        choices={},
        invariances=always("rotation", "scale", "translation"),
        degenerate_settings={"RKD-D": {}},
        dead_row_is_inert=False,
    ),
    Case(
        name="relational_angle_loss",
        kind="features",
        oracle=oracles.relational_angle_loss,
        settings=({}, *covering(TILED_OPTIONS)),
        gradient_settings=tuple(covering(TILED_OPTIONS)),
        compile_settings=({}, {"max_memory": 1000}),
        choices={},
        invariances=always("rotation", "scale", "translation"),
        degenerate_settings={"RKD-A": {}},
        dead_row_is_inert=False,
    ),
    Case(
        name="similarity_preserving_loss",
        kind="features",
        oracle=oracles.similarity_preserving_loss,
        settings=({},),
        gradient_settings=({},),
        compile_settings=({},),
        choices={},
        invariances=always("rotation", "scale"),
        degenerate_settings={"SP": {}},
        dead_row_is_inert=False,
    ),
    Case(
        name="probabilistic_knowledge_transfer_loss",
        kind="features",
        oracle=oracles.probabilistic_knowledge_transfer_loss,
        settings=({}, *covering(TRANSFER_OPTIONS)),
        gradient_settings=tuple(covering(TRANSFER_OPTIONS)),
        compile_settings=({},),
        choices={"reduction": ["mean", "sum"]},
        invariances=always("rotation", "scale"),
        degenerate_settings={"PKT": {}},
        dead_row_is_inert=True,
        gradient_at_zero=1e-6,  # the paper's 1e-7 within the logarithms moves the minimum
    ),
    Case(
        name="correlation_congruence_loss",
        kind="features",
        oracle=oracles.correlation_congruence_loss,
        settings=({}, *covering(CONGRUENCE_OPTIONS)),
        gradient_settings=tuple(covering(CONGRUENCE_OPTIONS)),
        compile_settings=({}, {"order": 3}),
        choices={},
        invariances=always("rotation", "scale"),
        degenerate_settings={"CC": {}},
        dead_row_is_inert=True,
    ),
    Case(
        name="dist_loss",
        kind="logits",
        oracle=oracles.dist_loss,
        settings=({}, *covering(DIST_OPTIONS)),
        gradient_settings=tuple(s for s in covering(DIST_OPTIONS) if s["beta"] or s["gamma"]),
        compile_settings=({},),
        choices={},
        invariances=always("logit_shift"),
        degenerate_settings={"DIST": {}},
        dead_row_is_inert=False,
    ),
]

CASES: dict[str, Case] = {case.name: case for case in _CASES}


def exported_losses() -> list[str]:
    """Every loss that torchlgg exports."""
    return [name for name in torchlgg.losses.__all__ if name.endswith("_loss")]


def as_float(value: Any) -> float:
    """The value of a loss or of its oracle."""
    return float(value.detach() if isinstance(value, Tensor) else np.asarray(value))
