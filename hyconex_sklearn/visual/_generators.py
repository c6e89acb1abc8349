"""What a generator must offer; pixels as the simplest one; the pretrained autoencoders of Hugging Face diffusers."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Generator(Protocol):
    """Maps images to latents and back; any object with these two methods will do, nothing is inherited.

    Both take and return batches of float32 tensors on one device. Gradients must flow through `decode`.
    """

    def encode(self, images: Tensor) -> Tensor:
        """Return the latents (n, ...) of images (n, c, h, w) in [0, 1]; (n, c', h', w') where they are maps."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Return the images (n, c, h, w) of latents, roughly in [0, 1]; what lies outside is clamped later."""
        ...


class PixelSpace:
    """The generator that generates nothing: latents are the pixels.

    A search in it is an adversarial attack, more or less. It is what a search in a latent space is compared with.
    """

    def encode(self, images: Tensor) -> Tensor:
        """Return the images."""
        return images

    def decode(self, latents: Tensor) -> Tensor:
        """Return the latents."""
        return latents

    def __repr__(self) -> str:
        return "PixelSpace()"


class _DiffusersGenerator:
    """What the adapters share: loading, the range of the pixels, the dtype.

    Parameters
    ----------
    model : torch.nn.Module
        An autoencoder of diffusers, on the device and in the dtype to compute with. Half precision may overflow in the
        decoder; such images are reported as ``reconstruction_failed``.
    """

    _class_name: ClassVar[str]

    def __init__(self, model: Any) -> None:
        self.model = model

    @classmethod
    def from_pretrained(cls, name_or_path: Any, **options: Any) -> Self:
        """Load a model by its name on the Hugging Face Hub, or from a folder.

        Parameters
        ----------
        name_or_path : str or Path
            Such as ``"stabilityai/sd-vae-ft-mse"``, or a folder that ``save_pretrained`` wrote.
        **options
            Passed on to diffusers: ``subfolder="vae"`` for the autoencoder of a whole pipeline, ``torch_dtype``,
            ``local_files_only=True``, and so on.

        Returns
        -------
        The generator, on the CPU; ``.to(device)`` moves it.

        Raises
        ------
        ImportError
            If diffusers is not installed.
        """
        try:
            import diffusers
        except ImportError as error:
            raise ImportError(
                f"{cls.__name__} needs the package diffusers, which is not installed. Install it with "
                "pip install 'hyconex-sklearn[visual]'."
            ) from error
        return cls(getattr(diffusers, cls._class_name).from_pretrained(name_or_path, **options).eval())

    def to(self, device: torch.device | str) -> Self:
        """Move the model to a device."""
        self.model.to(device)
        return self

    def _inputs(self, images: Tensor) -> Tensor:
        expected = self.model.config.in_channels
        if images.shape[1] != expected:
            raise ValueError(
                f"The autoencoder takes images of {expected} channels, got {images.shape[1]}. Repeat a single channel "
                "with images.repeat(1, 3, 1, 1), and let the classifier take the mean over them."
            )
        return (images * 2 - 1).to(self.model.dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model.config.get('_name_or_path') or self._class_name})"


class AutoencoderKLGenerator(_DiffusersGenerator):
    """Generator from diffusers' ``AutoencoderKL``: Stable Diffusion 1.5, XL and 3, Flux.

    Latents are on the scale that the model's own diffusion network works on, about one standard deviation:
    z = (encoded - shift) * scale, with the factors of the model's configuration. Encoding is deterministic, the mode.

    Examples
    --------
    >>> from hyconex_sklearn.visual import AutoencoderKLGenerator
    >>> AutoencoderKLGenerator.from_pretrained("stabilityai/sd-vae-ft-mse").to("cuda")  # doctest: +SKIP
    """

    _class_name = "AutoencoderKL"

    def encode(self, images: Tensor) -> Tensor:
        """Return the latents (n, channels, h / 8, w / 8) of images (n, 3, h, w) in [0, 1]."""
        scale, shift = self._factors()
        return (self.model.encode(self._inputs(images)).latent_dist.mode().float() - shift) * scale

    def decode(self, latents: Tensor) -> Tensor:
        """Return the images (n, 3, h, w) of latents."""
        scale, shift = self._factors()
        return self.model.decode((latents / scale + shift).to(self.model.dtype)).sample.float() / 2 + 0.5

    def _factors(self) -> tuple[float, float]:
        shift = self.model.config.get("shift_factor")  # none before Stable Diffusion 3
        return self.model.config["scaling_factor"], 0.0 if shift is None else shift


class AutoencoderTinyGenerator(_DiffusersGenerator):
    """Generator from diffusers' ``AutoencoderTiny``: some 2 million weights, for quick searches.

    Its ``forward`` rounds latents to bytes, which stops every gradient; encode and decode do not.

    Examples
    --------
    >>> from hyconex_sklearn.visual import AutoencoderTinyGenerator
    >>> AutoencoderTinyGenerator.from_pretrained("madebyollin/taesd")  # doctest: +SKIP
    """

    _class_name = "AutoencoderTiny"

    def encode(self, images: Tensor) -> Tensor:
        """Return the latents (n, channels, h / 8, w / 8) of images (n, 3, h, w) in [0, 1]."""
        return self.model.encode(self._inputs(images)).latents.float()

    def decode(self, latents: Tensor) -> Tensor:
        """Return the images (n, 3, h, w) of latents."""
        return self.model.decode(latents.to(self.model.dtype)).sample.float() / 2 + 0.5
