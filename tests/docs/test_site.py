"""The site builds without a warning, without a network and without JavaScript for its formulas."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys

import pytest
from docs._ext.mathml import to_mathml
from docs._ext.reference import public_packages
from docutils.utils.math import MathError

from tests.contract.cases import CASES
from tests.docs.examples import PROJECT


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site, from a copy of the sources, with what the build said."""
    project = tmp_path_factory.mktemp("project")
    ignore = shutil.ignore_patterns("_build", "reference", "__pycache__")
    shutil.copytree(PROJECT / "docs", project / "docs", ignore=ignore)
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "pyproject.toml"):
        shutil.copy(PROJECT / name, project / name)
    words = ("-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", "site")
    source = os.pathsep.join([str(PROJECT / "src"), os.environ.get("PYTHONPATH", "")])
    said = subprocess.run(
        [sys.executable, *words],
        cwd=project,
        env=os.environ | {"PYTHONPATH": source, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return project / "site", said


def test_it_builds_without_a_warning(site):
    _, said = site
    assert (said.returncode, said.stderr) == (0, "")


def test_every_public_name_has_its_place(site):
    folder, _ = site
    for package in public_packages()[1:]:
        page = (folder / "reference" / f"{package.__name__}.html").read_text(encoding="utf-8")
        for name in package.__all__:
            assert f'id="{package.__name__}.{name}"' in page


def test_each_loss_stands_before_its_module(site):
    folder, _ = site
    page = (folder / "reference" / "torchlgg.losses.html").read_text(encoding="utf-8")
    order = re.findall(r'<dt class="sig[^"]*" id="torchlgg\.losses\.(\w+)"', page)
    assert len(order) == 2 * len(CASES)
    for function, module in zip(order[::2], order[1::2], strict=True):
        assert module == "".join(word.capitalize() for word in function.split("_"))


def test_nothing_is_loaded_from_elsewhere(site):
    folder, _ = site
    pages = list(folder.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r'<(?:script|img|iframe)[^>]+src="(?:https?:)?//', text), page
        assert not re.findall(r'<link[^>]+href="(?:https?:)?//', text), page


def test_formulas_are_mathml(site):
    folder, _ = site
    page = (folder / "graphs.html").read_text(encoding="utf-8")
    assert page.count("<math ") > 10
    assert "$" not in re.sub(r"<(pre|script)\b.*?</\1>", "", page, flags=re.S)


@pytest.mark.parametrize(
    ("tex", "parts"),
    [
        (r"\frac12 \sum_j x_j", ["<mfrac> <mn>1</mn> <mn>2</mn> </mfrac>", "∑"]),
        (r"\frac1N x", ["<mfrac> <mn>1</mn> <mi>N</mi> </mfrac>"]),
        (r"½‖x‖^2", ["<mn>1</mn> <mn>2</mn>", "<mo>‖</mo>"]),
        (r"\big(a\big)", ['minsize="1.2em"']),
        (r"Y^⊤ L Y", ["<msup> <mi>Y</mi>"]),
    ],
)
def test_shorthands_and_symbols_are_understood(tex, parts):
    said = re.sub(r"\s+", " ", to_mathml(tex, display=True))
    assert all(part in said for part in parts), said


def test_unknown_latex_is_an_error():
    with pytest.raises(MathError, match="nonsense"):
        to_mathml(r"\nonsense", display=False)


def test_the_table_of_losses_is_true():
    """The column of invariances says what the contract suite tests."""
    text = (PROJECT / "docs" / "losses.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)`([^|]*)\| ([^|]+) \|", text, flags=re.M)
    assert {name for name, _, _ in rows} == set(CASES)
    words = {"shift": "logit_shift"}
    from torchlgg import GraphSpec

    for name, kind, said in rows:
        setting = {"spec": GraphSpec(similarity="rbf")} if "kernels" in kind else {}
        listed = {words.get(word, word) for word in said.split(", ")}
        assert listed == CASES[name].invariances(setting), name


@pytest.mark.parametrize("package", ["torchlgg", "torchlgg.core"])
def test_lazy_roots_offer_what_they_list(package):
    """A name of a lazy root stands in its table and in ``__all__``."""
    module = importlib.import_module(package)
    assert {name for name in module.__all__ if not hasattr(module, name)} == set()
    assert set(dir(module)) <= set(module.__all__)
