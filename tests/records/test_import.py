from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["records", "reports"])
def test_no_torch_and_nothing_heavy_is_imported(package):
    script = (
        f"import sys, torchlgg.{package}\n"
        "heavy = {'torch', 'torchvision', 'numpy', 'scipy', 'matplotlib', 'pyarrow', 'sklearn'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
