"""
Counterfactual images
=====================

What would have to change in a handwritten digit for a classifier to see another one? The search runs in the latent
space of a generator, so that its answers look like digits and not like noise.
"""

# %%
# A classifier to explain
# -----------------------
# Any network, or any function from images to values of the classes, can be explained. Here a small one is trained on
# the digits that ship with scikit-learn, and so is another one, which had no part in the search and will be its judge.
from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from digit_networks import Digits, accuracy, classifier, fit, independent_judge, judges, other_classes

from hyconex_sklearn.visual import (
    ConvAutoencoder,
    PixelSpace,
    VisualCounterfactualDisplay,
    VisualCounterfactualExplainer,
)
from hyconex_sklearn.visual.metrics import ablate

parser = argparse.ArgumentParser(description="Explain digits.")
parser.add_argument("--output", type=Path, help="folder for the picture and the generator")
folder = parser.parse_args().output

digits = Digits.load(seed=0)
explained = fit(classifier(0), digits, n_epochs=15)
judge = fit(independent_judge(0), digits, n_epochs=15)
print(f"Held-out accuracy: classifier {accuracy(explained, digits):.3f}, judge {accuracy(judge, digits):.3f}")

# %%
# A generator
# -----------
# A small autoencoder learns what digits look like, from the images alone. For photographs there are adapters of the
# autoencoders of diffusers, which need no training (see the example on photographs).
generator = ConvAutoencoder(n_epochs=30, random_state=0).fit(digits.train)

# %%
# Ask
# ---
# Three attempts for each of six held-out images, each toward a class drawn from the other nine. An attempt may change
# only what the earlier ones left alone. Networks are overconfident: what barely persuades this one persuades no other,
# so it is asked for a probability of 0.999.
explainer = VisualCounterfactualExplainer(explained, generator, target_probability=0.999, random_state=0)
images = digits.test[:6]
cf = explainer.explain(images, other_classes(explained, images, seed=0), n_counterfactuals=3)
print(cf)

# %%
# On the left the original, with the class that is seen in it; then each attempt, with class and probability, and what
# it changed: red became brighter, blue darker.
display = VisualCounterfactualDisplay.from_counterfactuals(cf)

# %%
# Is the answer honest?
# ---------------------
# A search among pixels, straight down the classifier's slope, flips the class as well; yet more of its answers are
# mistakes of this one network, which the independent judge does not make: adversarial examples.
many = digits.test[:60]
figures = ablate(
    explainer,
    many,
    other_classes(explained, many, seed=0),
    variants={"latent space": {}, "pixels": {"generator": PixelSpace(), "smoothing": None}},
    **judges(digits, judge),
)
# "Not adversarial": the share of the flipped ones that the judge sees as the target, too.
shown = ["flip_rate", "non_adversarial_rate", "changed_share"]
print(pd.DataFrame(figures).T[shown].round(3).to_string())

# %%
# ``python examples/2_guides/digits.py --output FOLDER`` keeps the picture and the generator.
if folder is not None:
    folder.mkdir(parents=True, exist_ok=True)
    display.figure_.savefig(folder / "digits.png", dpi=150)
    generator.save(folder / "digits.safetensors")
