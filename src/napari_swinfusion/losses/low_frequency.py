"""Background that keeps its level: coarse light of the fused image against that of the mean of its sources."""

from __future__ import annotations

from torch import Tensor, nn

from napari_swinfusion.losses.filters import blur


def low_frequency_l1(image: Tensor, sources: Tensor, *, sigma: float = 8.0) -> Tensor:
    """Return L1(G ∗ image, G ∗ mean over n of the sources) `(b,)`, G a Gaussian of `sigma` px.

    For two planes the document's `L1(blur(fused), blur(0.5*img1+0.5*img2))`; it leaves the blur open. Defocus moves
    light by its radius and no farther, so a wider blur sees equal light in every plane.

    Parameters
    ----------
    image
        `(b, h, w)`.
    sources
        `(b, n, h, w)`.
    sigma
        Of the Gaussian, px; wider than the defocus.
    """
    return blur(image - sources.mean(1), sigma).abs().mean((-2, -1))


class LowFrequencyL1(nn.Module):
    """`low_frequency_l1` with its `sigma`."""

    def __init__(self, sigma: float = 8.0) -> None:
        super().__init__()
        self.sigma = sigma

    def forward(self, image: Tensor, sources: Tensor) -> Tensor:
        """Return the loss `(b,)`."""
        return low_frequency_l1(image, sources, sigma=self.sigma)
