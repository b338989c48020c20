"""Losses as pure functions, one idea a file; each gives one value a sample so that recipes can weigh samples."""

from napari_swinfusion.losses.focus import focus_cross_entropy, focus_target
from napari_swinfusion.losses.reconstruction import gradient_l1, l1, log_error

__all__ = ["focus_cross_entropy", "focus_target", "gradient_l1", "l1", "log_error"]
