"""Whether the planes that make a pixel agree about it.

A mean of planes that differ by noise is truer than each of them; a mean of planes that show different things, as where
something moved between them or lies before something else, is a ghost of both. Of our own design.
"""

from __future__ import annotations

from torch import Tensor, nn

# Of planes that differ by noise alone nearly all lie nearer to their mean, in standard deviations of the noise.
_HIDDEN = 2.0


def disagreement(image: Tensor, weights: Tensor, planes: Tensor, noise: Tensor) -> Tensor:
    """Return how far planes lie from the image they make, beyond their noise, `(b,)`: a mean over pixels.

    At each pixel that is the standard deviation of the planes under their weights, less two of the noise, or 0.

    Parameters
    ----------
    image
        `(b, h, w)`: what `weights` make of `planes`.
    weights
        `(b, n, h, w)`: shares, summing to 1 over n.
    planes
        `(b, n, h, w)`.
    noise
        `(b,)`: its standard deviation, in the scale of the planes.
    """
    variance = (weights * (planes - image.unsqueeze(1)).square()).sum(1)
    spread = (variance + 1e-10).sqrt()
    return (spread - _HIDDEN * noise[:, None, None]).clamp(min=0).mean((-2, -1))


class Disagreement(nn.Module):
    """`disagreement`."""

    def forward(self, image: Tensor, weights: Tensor, planes: Tensor, noise: Tensor) -> Tensor:
        """Return the loss `(b,)`."""
        return disagreement(image, weights, planes, noise)
