"""A smooth L1: forgiving of outliers as L1 is, with a gradient at zero error as L2 has."""

from __future__ import annotations

from torch import Tensor, nn


def charbonnier(image: Tensor, target: Tensor, *, epsilon: float = 1e-3) -> Tensor:
    """Return mean √((image − target)² + ε²) `(b,)` of images `(b, h, w)`; its least value is ε.

    Charbonnier et al., Proc. ICIP 2, 1994, in the form that restoration networks use (Lai et al., CVPR 2017).
    """
    return ((image - target).square() + epsilon**2).sqrt().mean((-2, -1))


class Charbonnier(nn.Module):
    """`charbonnier` with its `epsilon`."""

    def __init__(self, epsilon: float = 1e-3) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return the loss `(b,)`."""
        return charbonnier(image, target, epsilon=self.epsilon)
