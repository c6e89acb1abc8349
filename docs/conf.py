"""Settings of Sphinx.

sphinx-build -W --keep-going -n docs docs/_build

Warnings are errors: a name that is nowhere, a page that no other names, an example that fails. Nothing is fetched from
the network, neither when the site is built nor when it is read.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))
sys.path.insert(0, str(HERE.parent))
# Before torch is first imported: the examples fit small models, which are quickest on one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hyconex_sklearn  # noqa: E402

project = "hyconex_sklearn"
author = "The hyconex_sklearn developers"
project_copyright = f"2026, {author}"
version = release = hyconex_sklearn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "repository",
]
exclude_patterns = ["_build", "_extensions", "gallery/**/*.ipynb", "gallery/**/*.py"]
default_role = "name_or_code"
nitpicky = True

# --------------------------------------------------------------------------------------------------------- docstrings
autodoc_typehints = "none"  # numpydoc sections tell the types, with shapes
autodoc_member_order = "bysource"
autosummary_generate = False
toc_object_entries_show_parents = "hide"  # in a narrow column, "fit" tells more than the start of the class's name
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

# ----------------------------------------------------------------------------------------------------------- Markdown
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

# ------------------------------------------------------------------------------------------------------------ gallery
sphinx_gallery_conf = {
    "examples_dirs": ["../examples"],
    "gallery_dirs": ["gallery"],
    # Guides run while the site is built; the one that needs downloaded weights, and the measurements, do not.
    "filename_pattern": r"/(1_start|2_guides)/(?!stable_diffusion)",
    "ignore_pattern": r"^(loans|digit_networks)\.py$",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "copyfile_regex": r"(loans|digit_networks)\.py",
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
}

# --------------------------------------------------------------------------------------------------------------- HTML
html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = False
html_sidebars = {"how_it_works": [], "gallery/*/*": []}
html_theme_options = {
    "header_links_before_dropdown": 7,
    "navbar_persistent": ["search-button"],
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
