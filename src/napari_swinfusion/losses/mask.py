"""What is asked of the weights themselves: smooth, decided, and not all on one plane.

Document 003 writes these for its mask m, the share of the first of two planes: m is `weights[:, 0]` and 1 − m is
`weights[:, 1]`. Each form for n planes gives the document's number at n = 2.
"""

from __future__ import annotations

from torch import Tensor, nn


def mask_total_variation(weights: Tensor) -> Tensor:
    """Return ½ Σ over n of TV(weight) `(b,)`: how much share moves between planes from one pixel to the next.

    TV is the mean of |difference along y| plus that along x (Rudin et al., Physica D 60, 1992; the anisotropic form).
    At n = 2 both planes vary alike and the sum is TV(m). `weights` is `(b, n, h, w)`.
    """
    along_y, along_x = weights.diff(dim=-2).abs(), weights.diff(dim=-1).abs()
    return 0.5 * (along_y.mean((-2, -1)) + along_x.mean((-2, -1))).sum(1)


def mask_binarisation(weights: Tensor) -> Tensor:
    """Return mean of ½ Σ over n of w(1 − w) `(b,)`: 0 where one plane takes all, largest where all share alike.

    At n = 2 it is mean m(1 − m). `weights` is `(b, n, h, w)`.
    """
    return 0.5 * (weights * (1 - weights)).sum(1).mean((-2, -1))


def mask_balance(weights: Tensor) -> Tensor:
    """Return (n Σ s² − 1) / (n − 1) `(b,)`, s the mean share of a plane: 0 if all have as much, 1 if one has all.

    The document asks to keep the mask from being all 0 or all 1 and gives no formula; at n = 2 ours is (2m̄ − 1)², m̄
    the mean of m. `weights` is `(b, n, h, w)`.
    """
    n = weights.shape[1]
    shares = weights.mean((-2, -1))
    return (n * shares.square().sum(1) - 1) / (n - 1)


class MaskTotalVariation(nn.Module):
    """`mask_total_variation`."""

    def forward(self, weights: Tensor) -> Tensor:
        """Return the loss `(b,)`."""
        return mask_total_variation(weights)


class MaskBinarisation(nn.Module):
    """`mask_binarisation`."""

    def forward(self, weights: Tensor) -> Tensor:
        """Return the loss `(b,)`."""
        return mask_binarisation(weights)


class MaskBalance(nn.Module):
    """`mask_balance`."""

    def forward(self, weights: Tensor) -> Tensor:
        """Return the loss `(b,)`."""
        return mask_balance(weights)
