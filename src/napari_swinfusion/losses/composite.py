"""The best image that weights can make: planes composed by which of them lies nearest the truth.

Near an occlusion edge no plane is true, and a network that can only mix planes cannot reach the truth there. This
target it can reach.
"""

from __future__ import annotations

from torch import Tensor, nn

from napari_swinfusion.losses.focus import focus_target
from napari_swinfusion.losses.reconstruction import gradient_l1, l1


def error_optimal_composite(clean: Tensor, truth: Tensor, *, tolerance: Tensor, neighbourhood: int = 7) -> Tensor:
    """Return Σ probability · plane `(b, h, w)`, with the probabilities of `focus_target` for its arguments.

    Where planes differ from the truth by less than the tolerance they share alike: the choice counts for as much as it
    matters.
    """
    return (focus_target(clean, truth, tolerance=tolerance, neighbourhood=neighbourhood) * clean).sum(1)


def composite_error(
    image: Tensor,
    clean: Tensor,
    truth: Tensor,
    *,
    tolerance: Tensor,
    neighbourhood: int = 7,
    gradient_share: float = 0.5,
) -> Tensor:
    """Return l1 + `gradient_share` · gradient_l1 `(b,)` between `image` `(b, h, w)` and the error-optimal composite.

    See `focus_target` for the other arguments.
    """
    target = error_optimal_composite(clean, truth, tolerance=tolerance, neighbourhood=neighbourhood)
    return l1(image, target) + gradient_share * gradient_l1(image, target)


class CompositeError(nn.Module):
    """`composite_error` with its `neighbourhood` and `gradient_share`."""

    def __init__(self, neighbourhood: int = 7, gradient_share: float = 0.5) -> None:
        super().__init__()
        self.neighbourhood, self.gradient_share = neighbourhood, gradient_share

    def forward(self, image: Tensor, clean: Tensor, truth: Tensor, tolerance: Tensor) -> Tensor:
        """Return the loss `(b,)`."""
        return composite_error(
            image,
            clean,
            truth,
            tolerance=tolerance,
            neighbourhood=self.neighbourhood,
            gradient_share=self.gradient_share,
        )
