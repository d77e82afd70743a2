"""How the documentation is built: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for docs._ext

import pathlib
import pkgutil
from importlib import import_module

from torch.distributed import ProcessGroup

import torchlgg

# What only type checkers import, so that the annotations can be read here too.
for found in pkgutil.walk_packages(torchlgg.__path__, "torchlgg."):
    if not found.name.endswith("__main__"):
        module = import_module(found.name)
        for name, value in (("ProcessGroup", ProcessGroup), ("Path", pathlib.Path)):
            if not hasattr(module, name):
                setattr(module, name, value)

project = "torchlgg"
author = "The torchlgg authors"
copyright = f"2026, {author}"
version = release = torchlgg.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "docs._ext.drawn",
    "docs._ext.mathml",
    "docs._ext.reference",
]
exclude_patterns = ["_build", "_ext"]
nitpicky = True
nitpick_ignore_regex = [  # what other libraries document on pages that a build cannot reach
    (
        r"py:.*",
        r"(torch|nn|numpy|collections|contextlib|dataclasses|typing|pathlib|os|pydantic|matplotlib"
        r"|rich)\..*",
    ),
    (r"py:class", r"torchlgg\..*\._.*"),  # private types are shown, not linked
    (r"py:class", r"Tensor|Path"),  # of other libraries, in the short form of an annotation
]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

default_role = "code"
add_module_names = False
toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 110
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Reference"]

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = f"torchlgg {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
