"""How `make docs` builds the documentation: the pages in this folder, and the docstrings.

What belongs here: the builder's settings. What does not: text, and which checks docstrings pass:
these are listed in ``pyproject.toml`` once, for `make check-docstrings` and for this build.
Nothing is fetched from a network.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The pages describe the checkout they lie in, whichever one is installed.
sys.path.insert(0, str(ROOT))

_PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

project = "its_pipeline"
version = release = _PYPROJECT["project"]["version"]
extensions = ["sphinx.ext.autodoc", "numpydoc", "myst_parser"]

html_theme = "furo"
html_title = f"its_pipeline {version}"
html_copy_source = False
html_show_copyright = False
myst_heading_anchors = 4

# Names in single backticks are links where there is something to link to.
default_role = "py:obj"

add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True

numpydoc_show_class_members = False
# The reference is what people call: every parameter is documented there (PR01), besides what
# holds for all docstrings.
numpydoc_validation_checks = set(_PYPROJECT["tool"]["numpydoc_validation"]["checks"]) - {"PR01"}
