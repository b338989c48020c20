"""Structural similarity as a loss: local mean, contrast and pattern, not single pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_swinfusion.errors import InputError
from napari_swinfusion.losses.filters import gaussian

_SIGMA, _SIDE = 1.5, 11


def ssim_loss(image: Tensor, target: Tensor, *, data_range: float = 1.0) -> Tensor:
    """Return 1 − SSIM(image, target) `(b,)` of images `(b, h, w)`; 0 for equal images, at most 2.

    Wang et al., IEEE Trans. Image Process. 13, 2004: Gaussian window of 11 × 11 px and sigma 1.5, k = 0.01 and 0.03,
    averaged where the whole window lies inside the image.

    Raises
    ------
    InputError
        If the images are smaller than the window.
    """
    if min(image.shape[-2:]) < _SIDE:
        raise InputError(f"SSIM looks at {_SIDE} × {_SIDE} px, but the images have {tuple(image.shape[-2:])}.")
    bell = gaussian(_SIGMA, image)
    pairs = torch.stack([image, target, image * image, target * target, image * target], dim=1)
    kernel = bell.expand(5, 1, 1, -1)
    means = functional.conv2d(functional.conv2d(pairs, kernel, groups=5), kernel.mT, groups=5)
    a, b, aa, bb, ab = means.unbind(1)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    alike = (2 * a * b + c1) * (2 * (ab - a * b) + c2)
    local = alike / ((a * a + b * b + c1) * (aa - a * a + bb - b * b + c2))
    result: Tensor = 1 - local.mean((-2, -1))
    return result


def ssim_to_sources(image: Tensor, sources: Tensor, *, data_range: float = 1.0) -> Tensor:
    """Return the mean over n of 1 − SSIM(image, source) `(b,)`; `sources` is `(b, n, h, w)`.

    For two planes the SSIM loss of SwinFusion (Ma et al., IEEE/CAA J. Autom. Sinica 9, 2022), both sources half each.
    """
    each = [ssim_loss(image, source, data_range=data_range) for source in sources.unbind(1)]
    return torch.stack(each).mean(0)


class SsimLoss(nn.Module):
    """`ssim_loss` with its `data_range`."""

    def __init__(self, data_range: float = 1.0) -> None:
        super().__init__()
        self.data_range = data_range

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return the loss `(b,)`."""
        return ssim_loss(image, target, data_range=self.data_range)
