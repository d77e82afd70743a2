"""What goes with a file of weights: a page for those who did not train it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torchlgg.core import InputError
from torchlgg.records import Environment, Result, RunInfo
from torchlgg.reports._render import render_markdown
from torchlgg.reports._table import Column, Table

_NOT_GIVEN = "not given"


def model_card(
    info: RunInfo, results: Sequence[Result], *, weights: str = "model.safetensors"
) -> str:
    """The card of a trained network, as Markdown.

    It says what the network is, how to load it, what was measured and how, from what it learnt,
    under which licence those weights are as their user gave it, and all settings, so that it can
    be trained again. Nothing is added that the run did not record.

    Args:
        info: of a run of ``lgg train`` or ``lgg distill``.
        results: what was measured of it; may be empty.
        weights: the name of the file that the card goes with.

    Returns:
        Markdown, with one line end last.

    Raises:
        InputError: a run that trained no network.

    Example:
        >>> from torchlgg.records import RunInfo, environment
        >>> config = {"recipe": "fast/hkd", "net": {"name": "wrn10-1"}, "training": {"seed": 0},
        ...           "teacher": {"name": "wrn16-2", "weights": "t.safetensors"},
        ...           "task": {"kind": "distill", "losses": {"hkd": {"weight": 16.0}}},
        ...           "data": {"source": "cifar10"}}
        >>> info = RunInfo(command="lgg train fast/hkd", created="2026-01-01T00:00:00+00:00",
        ...                environment=environment(), config=config)
        >>> card = model_card(info, [])
        >>> print(card.partition("## Load it")[0], end="")
        # wrn10-1, trained on cifar10
        <BLANKLINE>
        A network `wrn10-1`, by the recipe `fast/hkd`: task `distill`, losses `hkd` beside the ...
        <BLANKLINE>
        >>> [line for line in card.splitlines() if "licence" in line]
        ['- Teacher: `wrn16-2`, from `t.safetensors`; licence of its weights: not given']
    """
    config = info.config
    if not {"data", "net", "task"} <= set(config):
        raise InputError(
            f"`info` must be of a run of `lgg train` or `lgg distill`, got one of {info.command!r}"
        )
    name = _network(config["net"], results)
    source = config["data"].get("source") or "images that its record does not name"
    return "\n\n".join(
        [
            f"# {name}, trained on {source}",
            _what(config, name),
            "## Load it",
            _loading(name, weights),
            "## What was measured",
            *_measured(results),
            "## What it learnt from",
            _origins(config, source, results),
            "## Train it again",
            _again(info),
        ]
    ).strip() + "\n"  # fmt: skip


def _network(net: Mapping[str, Any], results: Sequence[Result]) -> str:
    """The name in the configuration; else, it came from a file, the one of the results."""
    tags = (result.tags.get("network") for result in results)
    return net.get("name") or next(filter(None, tags), "a network")


def _what(config: Mapping[str, Any], name: str) -> str:
    net, task = config["net"], config["task"]
    said = f"A network `{name}`"
    if net.get("parseval"):
        said += ", the Parseval variant"
    if net.get("embedding_dim"):
        said += f", whose output is an embedding of {net['embedding_dim']} numbers"
        said += " of length one" if net.get("unit_length") else ""
    said += f", by the recipe `{config.get('recipe', 'own')}`: task `{task.get('kind')}`"
    if task.get("losses"):
        losses = ", ".join(f"`{loss}`" for loss in task["losses"])
        said += f", losses {losses} beside the labels' cross-entropy"
    return f"{said}."


def _loading(name: str, weights: str) -> str:
    package, colon, _ = name.partition(":")
    own = colon and package not in ("torchvision", "timm")
    argument = f', name="{name}"' if own else ""
    lines = [
        "```python",
        "from torchlgg.nets import open_net",
        f'net = open_net("{weights}"{argument})',
        "outputs = net(images)  # float32 (N, C, H, W), normalised",
        "```",
        "",
        f'`torchlgg.nets.SavedNet.read("{weights}")` says how images are normalised, their size, '
        "and the names of the classes.",
    ]
    if own:
        lines[-1] += f" The network is built by code of its own, `{name}`."
    return "\n".join(lines)


def _measured(results: Sequence[Result]) -> list[str]:
    rows: list[tuple[str, ...]] = []
    notes: dict[str, None] = {}
    for result in results:
        for measured in result.measurements:
            name = f"{measured.name} ({measured.unit})" if measured.unit else measured.name
            rows.append((result.subject, name, measured.written(), str(measured.count)))
            interval = measured.interval
            method = f" [{interval.description} interval]." if interval is not None else ""
            notes[f"{measured.name}:{method} {measured.protocol}"] = None
    if not rows:
        return ["Nothing was."]
    columns = [Column(title=title, align="left") for title in ("of", "what")]
    table = Table(
        title=f"On {results[0].data}",
        columns=(*columns, Column(title="value"), Column(title="n")),
        rows=tuple(rows),
        notes=tuple(notes),
    )
    return [render_markdown(table).rstrip()]


def _origins(config: Mapping[str, Any], source: str, results: Sequence[Result]) -> str:
    data, lines = config["data"], [f"- Images: {source}"]
    if data.get("limit"):
        lines[0] += f", at most {data['limit']} of its training images"
    if data.get("validation"):
        lines[0] += f", {100 * data['validation']:g} % of them held out for validation"
    for of, words in (("teacher", "Teacher"), ("net", "Weights that it began with")):
        found = config.get(of) or {}
        unused = of == "teacher" and not config["task"].get("losses")
        if unused or not found.get("weights"):
            continue
        name = f"`{found['name']}`, from " if found.get("name") else ""
        lines.append(
            f"- {words}: {name}`{found['weights']}`; licence of "
            f"{'its' if of == 'teacher' else 'these'} weights: "
            f"{found.get('licence') or _NOT_GIVEN}"
        )
    if len(lines) == 1:
        lines.append("- No other weights: it began with random ones.")
    return "\n".join(lines)


def _again(info: RunInfo) -> str:
    import yaml

    # all of it is written out: the name of the recipe that it came from would add nothing
    config = {key: value for key, value in info.config.items() if key != "recipe"}
    seeds = ", ".join(map(str, info.seeds)) or "none"
    lines = [
        "It was asked for by",
        "",
        "```console",
        f"$ {info.command}",
        "```",
        "",
        "All its settings, to be kept as `recipe.yaml` for "
        "`lgg train recipe.yaml --out runs/again`:",
        "",
        "```yaml",
        yaml.safe_dump(config, sort_keys=False, allow_unicode=True).rstrip(),
        "```",
        "",
        f"Begun {info.created}, seed {seeds}, with {_software(info.environment)}"
        + (f", source {info.commit}" if info.commit else "")
        + ".",
    ]
    if not info.environment.gpus:
        lines[-1] += " On the same versions and processor, the same settings give the same weights."
    return "\n".join(lines)


def _software(found: Environment) -> str:
    versions = {"torchlgg": found.torchlgg, "Python": found.python} | {
        name: found.packages[name] for name in ("torch", "torchvision", "timm")
        if name in found.packages
    }  # fmt: skip
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"{listed}, on {', '.join(found.gpus) or found.cpu}"
