"""Checks, errors, safe numerics and whole files, on which everything else stands; torch only.

The errors and the files load without torch, so that the command line and the records can use them.
"""

from typing import TYPE_CHECKING

from torchlgg.core._errors import InputError, did_you_mean
from torchlgg.core._files import cannot, is_partial, write_atomically, write_text_atomically
from torchlgg.core._imported import imported, in_one_line
from torchlgg.core._lazy import lazy_names

if TYPE_CHECKING:
    from torchlgg.core._checks import (
        check_count,
        check_finite,
        check_labels,
        check_option,
        check_positive,
        check_same_rows,
        feature_matrix,
    )
    from torchlgg.core._precision import at_least_float32, exact_arithmetic, product
    from torchlgg.core._ranks import (
        count_rows,
        gather_batch,
        gather_rows,
        ranks_agree,
        sum_over_ranks_,
    )
    from torchlgg.core._safe import (
        centered,
        magnitude,
        rounding,
        safe_divide,
        safe_rsqrt,
        smallest_divisor,
        unit_rows,
    )
    from torchlgg.core._tiles import MAX_MEMORY, each_tile, row_tiles

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "MAX_MEMORY": "_tiles",
        "at_least_float32": "_precision",
        "centered": "_safe",
        "check_count": "_checks",
        "check_finite": "_checks",
        "check_labels": "_checks",
        "check_option": "_checks",
        "check_positive": "_checks",
        "check_same_rows": "_checks",
        "count_rows": "_ranks",
        "each_tile": "_tiles",
        "exact_arithmetic": "_precision",
        "feature_matrix": "_checks",
        "gather_batch": "_ranks",
        "gather_rows": "_ranks",
        "magnitude": "_safe",
        "product": "_precision",
        "ranks_agree": "_ranks",
        "rounding": "_safe",
        "row_tiles": "_tiles",
        "safe_divide": "_safe",
        "safe_rsqrt": "_safe",
        "smallest_divisor": "_safe",
        "sum_over_ranks_": "_ranks",
        "unit_rows": "_safe",
    },
)

__all__ = [
    "MAX_MEMORY",
    "InputError",
    "at_least_float32",
    "cannot",
    "centered",
    "check_count",
    "check_finite",
    "check_labels",
    "check_option",
    "check_positive",
    "check_same_rows",
    "count_rows",
    "did_you_mean",
    "each_tile",
    "exact_arithmetic",
    "feature_matrix",
    "gather_batch",
    "gather_rows",
    "imported",
    "in_one_line",
    "is_partial",
    "lazy_names",
    "magnitude",
    "product",
    "ranks_agree",
    "rounding",
    "row_tiles",
    "safe_divide",
    "safe_rsqrt",
    "smallest_divisor",
    "sum_over_ranks_",
    "unit_rows",
    "write_atomically",
    "write_text_atomically",
]
