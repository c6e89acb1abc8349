"""Counterfactual images: what would have to change in a picture for a classifier to see another class.

`VisualCounterfactualExplainer` searches in the latent space of a generative model, which stands behind a protocol of
two methods. `metrics` judges the outcome, `VisualCounterfactualDisplay` draws it.
"""

from ..visual import metrics
from ._autoencoder import ConvAutoencoder
from ._display import VisualCounterfactualDisplay
from ._explainer import VisualCounterfactualExplainer
from ._generators import AutoencoderKLGenerator, AutoencoderTinyGenerator, Generator, PixelSpace
from ._result import VisualCounterfactuals, VisualStatus
from ._surrogate import SmoothSurrogate, distill_surrogate

__all__ = [
    "AutoencoderKLGenerator",
    "AutoencoderTinyGenerator",
    "ConvAutoencoder",
    "Generator",
    "PixelSpace",
    "SmoothSurrogate",
    "VisualCounterfactualDisplay",
    "VisualCounterfactualExplainer",
    "VisualCounterfactuals",
    "VisualStatus",
    "distill_surrogate",
    "metrics",
]
