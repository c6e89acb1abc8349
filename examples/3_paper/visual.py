"""Images: how good are counterfactual digits, which part of the search does it, and when does smoothing help?

    python examples/3_paper/visual.py --output results

Each seed splits the digits, trains an explained classifier, an independent judge and a generator (all of
`2_guides/digit_networks.py`), and explains held-out images toward a class drawn from the other nine.

- part "attempts": three attempts for each image by the default search: first, second and third apart.
- part "ablation": one attempt, one part of the search changed at a time, and the same search in pixel space.
- part "smoothing": how far the gradient is smoothed, for classifiers of different roughness: the convolutions of the
  guide, the same trained on and on, dense layers, and the convolutions with fine ripples added to their logits. Each
  in the generator's latent space and in pixel space.
- part "probability": how sure the explained classifier has to be.

Figures are those of `hyconex_sklearn.visual.metrics`. Needs no data. Writes visual.json, visual.csv and visual.png.
"""

from __future__ import annotations

import sys
import time
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from runs import Records, attempt, command_line
from torch import Tensor, nn

from hyconex_sklearn.visual import (
    PixelSpace,
    VisualCounterfactualDisplay,
    VisualCounterfactualExplainer,
    VisualCounterfactuals,
    distill_surrogate,
)
from hyconex_sklearn.visual.metrics import diversity, evaluate

sys.path.append(str(Path(__file__).parents[1] / "2_guides"))
import digit_networks as digits

SEEDS = (3, 4, 5)  # settings were chosen on others
IMAGES, QUICK_IMAGES = 100, 6
LONG = 100  # epochs of a classifier that is trained on and on
CLASSIFIERS = ("convolutions", "trained long", "dense", "rippled")
NOISE = (0.1, 0.3, 1.0, 2.0)
SMOOTHINGS: dict[str, dict[str, Any]] = {
    "none": {"smoothing": None},
    **{f"noise {scale:g}": {"smoothing": "noise", "noise_scale": scale} for scale in NOISE},
    "surrogate": {"smoothing": "surrogate"},
}
SPACES: dict[str, dict[str, Any]] = {"latent": {}, "pixels": {"generator": PixelSpace()}}
ABLATION: dict[str, dict[str, Any]] = {
    "default": {},
    "no smoothing": SMOOTHINGS["none"],
    "surrogate": SMOOTHINGS["surrogate"],
    "no mask": {"mask_threshold": 0.0},
    "no pull to the start": {"alpha_proximity": 0.0},
    "margin objective": {"objective": "margin"},
    "pixel space": SPACES["pixels"],
    "pixel space, no smoothing": SPACES["pixels"] | SMOOTHINGS["none"],
}
PROBABILITIES = (0.6, 0.9, 0.99, 0.999)


class Rippled(nn.Module):
    """A classifier with fine ripples of fixed waves across the image added to its logits: right, and not smooth."""

    def __init__(self, network: nn.Module, seed: int, n_waves: int = 8, height: float = 3.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.network, self.height = network, height / n_waves**0.5
        self.register_buffer("waves", 2.0 * torch.randn(1024, 10, n_waves, generator=generator))
        self.register_buffer("phase", 6.3 * torch.rand(10, n_waves, generator=generator))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (n, 10)."""
        angles = torch.einsum("np,pkw->nkw", images.flatten(1), self.waves) + self.phase
        return self.network(images) + self.height * angles.sin().sum(2)


def dense(seed: int) -> nn.Sequential:
    """Return a network of dense layers, untrained."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(1024, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)
    )


class Trial:
    """What one seed trains, each part when it is first asked for."""

    def __init__(self, seed: int, quick: bool) -> None:
        self.seed, self.quick = seed, quick
        self._classifiers: dict[str, VisualCounterfactualExplainer] = {}

    @cached_property
    def prepared(self) -> tuple[digits.Digits, VisualCounterfactualExplainer, nn.Sequential]:
        """Images, explainer of the convolutions, judge."""
        return digits.prepare(self.seed, self.quick)

    def explainer(self, kind: str) -> VisualCounterfactualExplainer:
        """Return the default search for a kind of classifier, with a surrogate at hand."""
        if kind not in self._classifiers:
            images, first, _ = self.prepared
            settings = first.get_params(deep=False)
            if kind != "convolutions":
                classifier = self._trained(kind, images, first.classifier)
                surrogate = distill_surrogate(
                    classifier,
                    images.train,
                    generator=first.generator,
                    n_epochs=2 if self.quick else 20,
                    random_state=self.seed,
                )
                settings |= {"classifier": classifier, "surrogate": surrogate}
            self._classifiers[kind] = VisualCounterfactualExplainer(**settings)
        return self._classifiers[kind]

    def _trained(self, kind: str, images: digits.Digits, convolutions: nn.Module) -> nn.Module:
        if kind == "rippled":
            return Rippled(convolutions, self.seed)
        if kind == "dense":
            return digits.fit(dense(self.seed), images, 2 if self.quick else 15)
        return digits.fit(digits.classifier(self.seed), images, 2 if self.quick else LONG)

    def explained(self, kind: str, k: int = 1, **changes: Any) -> tuple[VisualCounterfactuals, float]:
        """Return counterfactuals of held-out images, and the seconds that they took."""
        explainer = self.explainer(kind)
        images = self.prepared[0].test[: QUICK_IMAGES if self.quick else IMAGES]
        if self.quick:
            changes = {"n_steps": 3, **changes}
        asked = VisualCounterfactualExplainer(**{**explainer.get_params(deep=False), **changes})
        target = digits.other_classes(explainer.classifier, images, self.seed)
        start = time.perf_counter()
        cf = asked.explain(images, target, k)
        return cf, time.perf_counter() - start

    def judged(self, cf: VisualCounterfactuals, kind: str) -> dict[str, float]:
        """Return the figures of some counterfactuals, and how right their classifier is."""
        images, _, judge = self.prepared
        figures = evaluate(cf, **digits.judges(images, judge))
        figures["diversity_pixels"] = diversity(cf)
        return figures | {"accuracy": digits.accuracy(self.explainer(kind).classifier, images)}

    def measured(self, kind: str, **changes: Any) -> dict[str, float]:
        """Return the figures of one attempt."""
        cf, seconds = self.explained(kind, **changes)
        return self.judged(cf, kind) | {"seconds": seconds, "images_per_second": len(cf) / seconds}


def attempts(records: Records, trial: Trial, picture: Path | None) -> None:
    """Three attempts for each image, judged apart and together; the first images of the first seed are drawn."""
    shares = {"first": [0], "second": [1], "third": [2], "all": [0, 1, 2]}
    missing = records.missing(part=["attempts"], seed=[trial.seed], variant=shares)
    if not missing and picture is None:
        return
    cf, seconds = trial.explained("convolutions", len(shares) - 1)
    for key in missing:
        part = cf[[rank in shares[key["variant"]] for rank in cf.rank]]
        records.add(key, attempt(trial.judged, part, "convolutions") | {"seconds": seconds})
    if picture is not None:
        import matplotlib

        matplotlib.use("Agg")
        VisualCounterfactualDisplay.from_counterfactuals(cf, max_images=6).figure_.savefig(picture, dpi=110)


def one_attempt(records: Records, trial: Trial) -> None:
    """Measure every search of a single attempt that has no record."""
    for key in records.missing(part=["ablation"], seed=[trial.seed], variant=ABLATION):
        records.add(key, attempt(partial(trial.measured, "convolutions", **ABLATION[key["variant"]])))
    for key in records.missing(
        part=["smoothing"], seed=[trial.seed], classifier=CLASSIFIERS, space=SPACES, variant=SMOOTHINGS
    ):
        changes = SPACES[key["space"]] | SMOOTHINGS[key["variant"]]
        records.add(key, attempt(partial(trial.measured, key["classifier"], **changes)))
    for key in records.missing(part=["probability"], seed=[trial.seed], space=SPACES, probability=PROBABILITIES):
        changes = SPACES[key["space"]] | {"target_probability": key["probability"]}
        records.add(key, attempt(partial(trial.measured, "convolutions", **changes)))


def main() -> None:
    options = command_line(__doc__).parse_args()
    records = Records(options.output, "visual", options.quick)
    seeds = options.seeds or (SEEDS[:1] if options.quick else SEEDS)
    picture = options.output / "visual.png"
    for seed in seeds:
        trial = Trial(seed, options.quick)
        attempts(records, trial, picture if seed == seeds[0] and not picture.exists() else None)
        one_attempt(records, trial)


if __name__ == "__main__":
    main()
