"""What a comparison of distillation losses says at a glance: its table and its figure's panels."""

from __future__ import annotations

from collections.abc import Sequence

from torchlgg.core import InputError
from torchlgg.records import Result
from torchlgg.reports._comparison import comparison_panels, comparison_table
from torchlgg.reports._figure import Panel
from torchlgg.reports._table import Table


def distillation_report(results: Sequence[Result]) -> tuple[Table, tuple[Panel, ...]]:
    """The table and the panels of students of one teacher, by loss.

    Args:
        results: of one run: the teacher's (subject ``"teacher"``), one a student (tags
            ``"method"`` and ``"seed"``), and a summary a method (task ``"summary"``).

    Returns:
        Error, agreement with the teacher and graph distance to it, by method: the table with the
        summaries, the panels with the single students too.

    Raises:
        InputError: no teacher or no summary among the results.

    Example:
        >>> from torchlgg.reports import distillation_report
        >>> distillation_report([])
        Traceback (most recent call last):
        ...
        torchlgg.core._errors.InputError: `results` must hold the result of a teacher and summaries
    """
    teachers = [result for result in results if result.subject == "teacher"]
    summaries = [result for result in results if result.task == "summary"]
    if not teachers or not summaries:
        raise InputError("`results` must hold the result of a teacher and summaries")
    teacher = teachers[0]
    names = [measured.name for measured in summaries[0].measurements]
    shown = [
        name
        for name in names
        if name in ("error", "agreement") or name.startswith("graph distance")
    ]
    table = comparison_table(
        summaries,
        title=f"Students ({summaries[0].tags['network']}) of one teacher "
        f"({teacher.tags['network']}, {teacher.measurements[0]}) on {teacher.data.source}",
        measurements=shown,
    )
    students = [result for result in results if "seed" in result.tags]
    return table, comparison_panels(summaries, students, measurements=shown)
