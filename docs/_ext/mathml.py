"""Formulas as MathML, which browsers draw themselves: no JavaScript, no fonts, no network.

The translation from LaTeX is docutils' own; what it does not know and our formulas use, Unicode
symbols above all, is spelled out for it first.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from docutils.utils.math.unichar2tex import uni2tex_table
from sphinx.application import Sphinx
from sphinx.util import logging

_LOGGER = logging.getLogger(__name__)

_SYMBOLS = {symbol: f" {command} " for symbol, command in uni2tex_table.items()} | {
    ord("½"): r" \frac{1}{2} ",
    ord("·"): r" \cdot ",
    ord("²"): "^2",
    ord("∠"): r" \angle ",
}

_SHORTHANDS = (
    (r"\\(big|Big)(?![A-Za-z])", r"\\\1l "),  # it knows \bigl( but not \big(
    (r"\\([td]?frac)\s*(\w)\s*(\w)", r"\\\1{\2}{\3}"),  # \frac12 x would be 12 over x
)


def to_mathml(tex: str, *, display: bool) -> str:
    """A formula as a ``<math>`` element.

    Args:
        tex: LaTeX, with Unicode symbols or without.
        display: on a line of its own.

    Returns:
        MathML.

    Raises:
        MathError: LaTeX that docutils does not know.
    """
    for pattern, spelled_out in _SHORTHANDS:
        tex = re.sub(pattern, spelled_out, tex)
    return str(tex2mathml(tex.translate(_SYMBOLS), as_block=display))


def setup(app: Sphinx) -> dict[str, Any]:
    """Offer the ``mathml`` renderer to ``html_math_renderer``."""
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _visit_inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(_rendered(node, display=False))
    raise nodes.SkipNode


def _visit_block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="math">{_rendered(node, display=True)}</div>\n')
    raise nodes.SkipNode


def _rendered(node: nodes.Element, *, display: bool) -> str:
    try:
        return to_mathml(node.astext(), display=display)
    except MathError as error:
        _LOGGER.warning("cannot draw the formula %r: %s", node.astext(), error, location=node)
        return f"<code>{nodes.fully_normalize_name(node.astext())}</code>"
