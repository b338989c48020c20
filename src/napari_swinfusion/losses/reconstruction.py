"""How far a fused image is from the true all-in-focus image."""

from __future__ import annotations

from torch import Tensor, nn


def l1(image: Tensor, truth: Tensor) -> Tensor:
    """Return the mean absolute difference `(b,)` of images `(b, h, w)`."""
    return (image - truth).abs().mean((-2, -1))


def gradient_l1(image: Tensor, truth: Tensor) -> Tensor:
    """Return the mean absolute difference `(b,)` of the forward differences along y and x of images `(b, h, w)`."""
    error = image - truth
    return error.diff(dim=-2).abs().mean((-2, -1)) + error.diff(dim=-1).abs().mean((-2, -1))


def log_error(image: Tensor, truth: Tensor, *, gradient_share: float = 0.5, floor: float = 1e-4) -> Tensor:
    """Return `log(floor + l1 + gradient_share · gradient_l1)` for each sample, `(b,)`.

    Quality is judged in decibels: the logarithm makes a tenth less error count alike on a clean and on a noisy
    stack, where a plain L1 would be ruled by the noisy ones. `floor` keeps perfect samples from ruling in turn.
    """
    return (floor + l1(image, truth) + gradient_share * gradient_l1(image, truth)).log()


class LogError(nn.Module):
    """`log_error` with its `gradient_share` and `floor`."""

    def __init__(self, gradient_share: float = 0.5, floor: float = 1e-4) -> None:
        super().__init__()
        self.gradient_share, self.floor = gradient_share, floor

    def forward(self, image: Tensor, truth: Tensor) -> Tensor:
        """Return the loss `(b,)`."""
        return log_error(image, truth, gradient_share=self.gradient_share, floor=self.floor)
