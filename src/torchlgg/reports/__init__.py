"""Tables and figures from records alone: an old result can always be drawn again; no torch."""

from torchlgg.reports._card import model_card
from torchlgg.reports._comparison import comparison_panels, comparison_table
from torchlgg.reports._curves import curves_figure
from torchlgg.reports._distillation import distillation_report
from torchlgg.reports._figure import Group, Panel, comparison_figure
from torchlgg.reports._paired import difference_table, paired_report
from torchlgg.reports._render import render_markdown, render_rich
from torchlgg.reports._table import Column, Table

__all__ = [
    "Column",
    "Group",
    "Panel",
    "Table",
    "comparison_figure",
    "comparison_panels",
    "comparison_table",
    "curves_figure",
    "difference_table",
    "distillation_report",
    "model_card",
    "paired_report",
    "render_markdown",
    "render_rich",
]
