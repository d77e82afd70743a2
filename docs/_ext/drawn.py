"""Pictures that are drawn from the code while the site is built, so that they cannot grow stale.

They are HTML and SVG in the colours of the page, light or dark.
"""

from __future__ import annotations

import importlib.util
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any, ClassVar

import torch
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from torchlgg import GraphSpec, latent_geometry_graph

_PROJECT = Path(__file__).resolve().parents[2]


def setup(app: Sphinx) -> dict[str, Any]:
    """Offer the directives ``rooms`` and ``neighbor-graphs``."""
    app.add_directive("rooms", _Rooms)
    app.add_directive("neighbor-graphs", _NeighborGraphs)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class _Rooms(SphinxDirective):
    """The packages in their layers, as the import contract in ``pyproject.toml`` orders them."""

    def run(self) -> list[nodes.Node]:
        path = _PROJECT / "pyproject.toml"
        self.env.note_dependency(str(path))
        contracts = tomllib.loads(path.read_text("utf-8"))["tool"]["importlinter"]["contracts"]
        layers = next(contract["layers"] for contract in contracts if "layers" in contract)
        rows = "".join(f'<div class="layer">{"".join(_rooms(layer))}</div>' for layer in layers)
        return [nodes.raw("", f'<div class="rooms">{rows}</div>', format="html")]


def _rooms(layer: str) -> Iterator[str]:
    for name in layer.split(" | "):
        spec = importlib.util.find_spec(f"torchlgg.{name}")
        if spec is None or spec.origin is None:
            continue
        docstring = compile(Path(spec.origin).read_text("utf-8"), spec.origin, "exec").co_consts[0]
        summary = str(docstring).partition(": ")[2] or str(docstring)
        summary = escape(summary.partition("\n\n")[0].strip().rstrip("."))
        page = {"core": "errors", "cli": "../distil"}.get(name, f"torchlgg.{name}")
        yield f'<a class="room" href="reference/{page}.html"><b>{name}</b><br>{summary}</a>'


def _spec(**choices: Any) -> GraphSpec:
    return GraphSpec(similarity="rbf", bandwidth=35, normalization=None, **choices)


class _NeighborGraphs(SphinxDirective):
    """Twelve points, and the graphs that four settings of ``neighbors`` make of them."""

    _SPECS: ClassVar[dict[str, GraphSpec]] = {
        "complete": _spec(),
        "k=2, union": _spec(k=2),
        "k=2, mutual": _spec(k=2, neighbors="mutual"),
        "k=2, directed": _spec(k=2, neighbors="directed"),
    }

    def run(self) -> list[nodes.Node]:
        panels = "".join(
            f"<figure>{_graph_svg(spec)}<figcaption>{escape(title)}</figcaption></figure>"
            for title, spec in self._SPECS.items()
        )
        return [nodes.raw("", f'<div class="graphs">{panels}</div>', format="html")]


def _graph_svg(spec: GraphSpec) -> str:
    x_ND, labels = _points()
    a_NN = latent_geometry_graph(x_ND, spec)
    strongest = float(a_NN.max())
    parts = []
    for i, j in a_NN.nonzero().tolist():
        if spec.neighbors != "directed" and i > j:
            continue
        (x1, y1), (x2, y2) = x_ND[i].tolist(), x_ND[j].tolist()
        back = 7 / max(((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5, 1)  # the arrow stops at the circle
        x2, y2 = x2 - back * (x2 - x1), y2 - back * (y2 - y1)
        arrow = ' marker-end="url(#arrow)"' if spec.neighbors == "directed" else ""
        parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke-opacity="{0.04 + 0.96 * float(a_NN[i, j]) / strongest:.2f}"{arrow}/>'
        )
    for (x, y), label in zip(x_ND.tolist(), labels, strict=True):
        parts.append(f'<circle class="class{label}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>')
    marker = (
        '<marker id="arrow" viewBox="0 0 6 6" refX="6" refY="3" markerWidth="5" markerHeight="5" '
        'orient="auto"><path d="M0 0L6 3L0 6z"/></marker>'
    )
    return f'<svg viewBox="0 0 210 145"><defs>{marker}</defs>{"".join(parts)}</svg>'


def _points() -> tuple[torch.Tensor, list[int]]:
    labels = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    places = [
        *((24, 30), (52, 18), (40, 52), (74, 44)),
        *((128, 26), (156, 40), (140, 66), (186, 18)),
        *((84, 104), (112, 88), (104, 124), (60, 130)),
    ]
    return torch.tensor(places, dtype=torch.float32), labels
