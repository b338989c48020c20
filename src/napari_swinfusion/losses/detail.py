"""Detail of the fused image against the detail of its sources, for three derivatives: Sobel, Laplacian, LoG.

After document 003. Where it takes the larger of two sources' responses we take the largest of n.
"""

from __future__ import annotations

from torch import Tensor, nn

from napari_swinfusion.losses.charbonnier import charbonnier
from napari_swinfusion.losses.filters import edge_strength, laplacian, laplacian_of_gaussian
from napari_swinfusion.losses.reconstruction import l1


def sobel_detail(image: Tensor, sources: Tensor) -> Tensor:
    """Return L1(S(image), max over n of S(source)) `(b,)`, S = |Sobel along y| + |Sobel along x|.

    For two planes this is the document's `L1(sobel(fused), max(sobel(img1), sobel(img2)))`, and the texture loss of
    SwinFusion (Ma et al., IEEE/CAA J. Autom. Sinica 9, 2022). Noise has edges too: it asks for the noisiest plane.

    Parameters
    ----------
    image
        `(b, h, w)`.
    sources
        `(b, n, h, w)`.
    """
    return l1(edge_strength(image), edge_strength(sources).amax(1))


def log_detail(image: Tensor, sources: Tensor, *, sigma: float = 1.0) -> Tensor:
    """Return L1(LoG(image), LoG of the source where |LoG| is largest) `(b,)`.

    For two planes this is the document's `L1(LoG(fused), max(LoG(img1), LoG(img2)))` with the larger taken by
    magnitude. Taken by sign it would choose the blurrier source inside every bright spot, where the LoG is negative.

    Parameters
    ----------
    image
        `(b, h, w)`.
    sources
        `(b, n, h, w)`.
    sigma
        Of the Gaussian, px.
    """
    response = laplacian_of_gaussian(sources, sigma)
    strongest = response.gather(1, response.abs().argmax(1, keepdim=True)).squeeze(1)
    return l1(laplacian_of_gaussian(image, sigma), strongest)


def laplacian_detail(image: Tensor, target: Tensor, *, epsilon: float = 1e-3) -> Tensor:
    """Return Charbonnier(Laplacian(image) − Laplacian(target)) `(b,)` of images `(b, h, w)`, as document 003 has it.

    The target is one image, `soft_target` of any number of planes.
    """
    return charbonnier(laplacian(image - target), image.new_zeros(()), epsilon=epsilon)


class SobelDetail(nn.Module):
    """`sobel_detail`."""

    def forward(self, image: Tensor, sources: Tensor) -> Tensor:
        """Return the loss `(b,)`."""
        return sobel_detail(image, sources)


class LogDetail(nn.Module):
    """`log_detail` with its `sigma`."""

    def __init__(self, sigma: float = 1.0) -> None:
        super().__init__()
        self.sigma = sigma

    def forward(self, image: Tensor, sources: Tensor) -> Tensor:
        """Return the loss `(b,)`."""
        return log_detail(image, sources, sigma=self.sigma)


class LaplacianDetail(nn.Module):
    """`laplacian_detail` with its `epsilon`."""

    def __init__(self, epsilon: float = 1e-3) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return the loss `(b,)`."""
        return laplacian_detail(image, target, epsilon=self.epsilon)
