"""The material beside the project that some tests compare with; it may be absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"

needs_shared = pytest.mark.skipif(
    not (SHARED / "reference").is_dir(),
    reason="needs the reference material in ../shared, beside the project, which is not there",
)


def reference() -> dict[str, np.ndarray]:
    """Every array of lgg_reference.npz, by key."""
    with np.load(SHARED / "reference" / "lgg_reference.npz", allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}
