"""Which plane is nearest the true height, asked where an image can tell: on texture, away from occlusion edges.

`focus_target` asks the pixels which plane is the truest, and is silent where none differs; a depth map asks on. Near
an occlusion edge the two contradict each other (the nearest plane carries the foreground's spread), so no depth is
asked there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_swinfusion.losses.filters import blur


def depth_visible(truth: Tensor, depth: Tensor, *, contrast: float = 0.01, step: float = 1.0, reach: int = 6) -> Tensor:
    """Return the pixels `(b, h, w)`, bool, at which the depth can be seen.

    Parameters
    ----------
    truth
        `(b, h, w)`: noise-free all-in-focus image, in about [0, 1].
    depth
        `(b, h, w)`: true height, planes; not finite where there is no surface.
    contrast
        Least local standard deviation of the truth under a Gaussian of 2 px.
    step
        Jump between neighbouring pixels that makes an occlusion edge, planes.
    reach
        Distance from such an edge within which no depth is asked, px.
    """
    mean = blur(truth, 2.0)
    textured = blur((truth - mean).square(), 2.0) > contrast**2
    known = depth.isfinite()
    height = torch.where(known, depth, 0.0)
    # Forward differences, padded back to size: the pixels on both sides of a jump lie within `reach` of it.
    jump_y = functional.pad(height.diff(dim=-2).abs(), (0, 0, 0, 1))
    jump_x = functional.pad(height.diff(dim=-1).abs(), (0, 1))
    edge = (torch.maximum(jump_y, jump_x) > step).to(truth.dtype)
    near = functional.max_pool2d(edge.unsqueeze(1), 2 * reach + 1, stride=1, padding=reach).squeeze(1) > 0
    return textured & known & ~near


def depth_cross_entropy(focus: Tensor, depth: Tensor, *, counted: Tensor) -> Tensor:
    """Return the mean cross-entropy `(b,)` of `focus` under the two planes next to the true depth, nats.

    A depth of 3.2 asks for 0.8 on plane 3 and 0.2 on plane 4: the most probable plane is the nearest, and the mean
    plane is the depth itself. 0 for a sample in which nothing counts.

    Parameters
    ----------
    focus
        `(b, n, h, w)`: probability of each plane.
    depth
        `(b, h, w)`, planes; heights beyond the first and last plane belong to them, pixels without one count nowhere.
    counted
        `(b, h, w)`, bool: pixels that count.
    """
    target = (1 - _distance(focus, depth)).clamp(min=0)
    return _mean(-(target * focus.clamp(min=1e-6).log()).sum(1), counted & depth.isfinite())


def depth_distance(focus: Tensor, depth: Tensor, *, counted: Tensor) -> Tensor:
    """Return the mean over pixels of Σ probability · |plane − depth| `(b,)`, planes; 0 where nothing counts.

    The expected depth error. Least for a probability of 1 on the median of what is possible, so it makes a sharper
    choice than cross-entropy and a less honest confidence. See `depth_cross_entropy` for the arguments.
    """
    return _mean((focus * _distance(focus, depth)).sum(1), counted & depth.isfinite())


def _distance(focus: Tensor, depth: Tensor) -> Tensor:
    n = focus.shape[1]
    height = depth.nan_to_num(0.0).clamp(0, n - 1).unsqueeze(1)
    return (torch.arange(n, device=focus.device, dtype=focus.dtype).view(1, n, 1, 1) - height).abs()


def _mean(value: Tensor, counted: Tensor) -> Tensor:
    return (value * counted).sum((-2, -1)) / counted.sum((-2, -1)).clamp(min=1)


class DepthCrossEntropy(nn.Module):
    """`depth_cross_entropy`."""

    def forward(self, focus: Tensor, depth: Tensor, counted: Tensor) -> Tensor:
        """Return the loss `(b,)`."""
        return depth_cross_entropy(focus, depth, counted=counted)
