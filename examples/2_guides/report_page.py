"""
A page for the people affected
==============================

Those about whom a model decides rarely read tables of a program. ``to_html`` writes one page for them: they choose a
row, see what the model predicts, and what would have to be different for another prediction, in words and on the range
of values that the model has seen. The page is a single file that loads and sends nothing; it can be put on a server,
sent, or printed.

Run it as ``python report_page.py``: it writes ``report.html`` into the folder that you name by ``--output``, by default
a temporary one.
"""

# %%
# A model of patients
# -------------------
# Ten measurements of 442 diabetes patients, and how their disease progressed within a year: here slower or faster than
# in the middle one of them. Names of columns and classes stand on the page as they are, so they deserve to be readable.

import argparse
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from hyconex_sklearn import HyConExClassifier

parser = argparse.ArgumentParser(description="Write a report page about patients.")
parser.add_argument("--output", type=Path, default=None, help="folder of report.html")
folder = parser.parse_args().output or Path(tempfile.gettempdir())

NAMES = {
    "bmi": "body mass index",
    "bp": "blood pressure",
    "s1": "total cholesterol",
    "s2": "LDL cholesterol",
    "s3": "HDL cholesterol",
    "s4": "total / HDL cholesterol",
    "s5": "triglycerides (log)",
    "s6": "blood sugar",
}
patients = load_diabetes(as_frame=True, scaled=False)
X = patients.data.rename(columns=NAMES).drop(columns="sex")  # the data do not tell which is which
y = np.where(patients.target > patients.target.median(), "faster progression", "slower progression")
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=30, random_state=0, stratify=y)
clf = HyConExClassifier(random_state=0).fit(X_train, y_train)

# %%
# Two alternatives for each patient
# ---------------------------------
# What nobody can change belongs into the rules: a page that proposes another age would be an insult. Few changes are
# easier to follow than many.

cf = clf.counterfactuals(X_test, n_counterfactuals=2, immutable=["age"], max_changes=4)
print(cf)

# %%
# The page
# --------
# It holds all rows that it shows, so whoever gets it can read them. Cut the result to the rows that a person may see,
# such as ``cf[cf.report["row"] == 3]``, before you hand it out.

page = cf.to_html(folder / "report.html", title="How will the disease progress?")
print(f"Open {page} in a browser.")

# %%
# It says of itself what it is not: advice. A counterfactual tells what this model would predict for other
# measurements. Whether a patient whose blood sugar is lowered fares better is another question, which data like these
# can't answer: what goes together need not be cause and effect.

# sphinx_gallery_thumbnail_path = "figures/report_page.png"
