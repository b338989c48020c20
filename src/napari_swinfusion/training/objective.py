"""What a network with known truth is trained for: a true image first, an honest choice of planes second."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from napari_swinfusion.losses import focus_cross_entropy, focus_target, log_error
from napari_swinfusion.networks import Fused
from napari_swinfusion.training.samples import Batch

# Noise hides errors of about a third of its own size.
HIDDEN_BY_NOISE = 0.3


@dataclass(frozen=True)
class Objective:
    """The loss of a batch and what it is made of, each a mean over samples."""

    loss: Tensor
    image: Tensor
    focus: Tensor


def objective(fused: Fused, batch: Batch, *, focus_share: float, tolerance: float) -> Objective:
    """Return the log error of the soft-weighted image plus `focus_share` times the cross-entropy of the focus.

    Errors below `tolerance`, a share of the range, do not decide which plane is the truest.
    """
    if fused.weights is None or fused.focus is None:
        raise TypeError("This objective trains networks that answer with weights and focus.")
    image = (fused.weights * batch.planes).sum(1)
    error = log_error(image, batch.truth).mean()
    target = focus_target(batch.clean, batch.truth, tolerance=tolerance + HIDDEN_BY_NOISE * batch.noise)
    choice = focus_cross_entropy(fused.focus, target).mean()
    return Objective(error + focus_share * choice, error, choice)
