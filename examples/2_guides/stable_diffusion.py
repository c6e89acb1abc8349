"""
Counterfactual photographs
==========================

A classifier of torchvision, searched in the latent space of Stable Diffusion's autoencoder. ::

    pip install 'hyconex-sklearn[plot,visual]' torchvision
    python examples/2_guides/stable_diffusion.py photo.jpg --target 285

Downloads the weights of both models (about 450 MB) at the first call, so it has not run here; a GPU is advised. Any
classifier of RGB images will do, such as ``timm.create_model(name, pretrained=True)`` behind the normalisation of its
own; any autoencoder of diffusers, too:
``AutoencoderKLGenerator.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", subfolder="vae")``.
"""

# sphinx_gallery_thumbnail_path = "figures/idea.png"

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hyconex_sklearn.visual import (
    AutoencoderKLGenerator,
    AutoencoderTinyGenerator,
    VisualCounterfactualDisplay,
    VisualCounterfactualExplainer,
)

SIDE = 512  # a multiple of 8; Stable Diffusion 1.5 was trained at this size


def load_photo(path: Path) -> Tensor:
    """Return a photograph as float tensor (1, 3, SIDE, SIDE) in [0, 1], cut to a square."""
    from torchvision.io import ImageReadMode, decode_image
    from torchvision.transforms.v2.functional import center_crop, resize

    image = decode_image(str(path), mode=ImageReadMode.RGB)
    return center_crop(resize(image, [SIDE], antialias=True), [SIDE, SIDE])[None] / 255


def load_classifier() -> tuple[nn.Module, list[str]]:
    """Return a classifier of images in [0, 1], with the normalisation as its first layer, and its classes' names."""
    from torchvision.models import ResNet50_Weights, resnet50
    from torchvision.transforms.v2 import Normalize, Resize

    weights = ResNet50_Weights.IMAGENET1K_V2
    normalise = Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    return nn.Sequential(Resize([224, 224], antialias=True), normalise, resnet50(weights=weights)), weights.meta[
        "categories"
    ]


def load_generator(tiny: bool) -> Any:
    """Return the autoencoder: the full one, or a small one for a first look."""
    if tiny:
        return AutoencoderTinyGenerator.from_pretrained("madebyollin/taesd")
    return AutoencoderKLGenerator.from_pretrained("stabilityai/sd-vae-ft-mse")


def main() -> None:
    """Explain one photograph, three attempts, and save the picture beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--target", type=int, help="class number to reach; without it, the runner-up")
    parser.add_argument("--tiny", action="store_true", help="the small autoencoder")
    options = parser.parse_args()

    device = "cuda" if torch.cuda.is_available() else "cpu"
    classifier, names = load_classifier()
    # Small steps, since a photograph needs little to change its class. Each decodes n_smooth noisy images: the first
    # setting to lower where memory is short.
    explainer = VisualCounterfactualExplainer(
        classifier.eval().to(device),
        load_generator(options.tiny).to(device),
        learning_rate=0.05,
        random_state=0,
    )
    cf = explainer.explain(load_photo(options.photo), target=options.target, n_counterfactuals=3)
    print(cf.report.to_string())
    picture = options.photo.with_suffix(".counterfactuals.png")
    VisualCounterfactualDisplay.from_counterfactuals(cf, class_names=names).figure_.savefig(picture, dpi=150)
    print(f"Saved {picture}")


if __name__ == "__main__":
    main()
