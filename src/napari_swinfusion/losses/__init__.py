"""Losses as pure functions, one idea a file; each gives one value a sample so that recipes can weigh samples."""

from napari_swinfusion.losses.agreement import Disagreement, disagreement
from napari_swinfusion.losses.charbonnier import Charbonnier, charbonnier
from napari_swinfusion.losses.composite import CompositeError, composite_error, error_optimal_composite
from napari_swinfusion.losses.detail import (
    LaplacianDetail,
    LogDetail,
    SobelDetail,
    laplacian_detail,
    log_detail,
    sobel_detail,
)
from napari_swinfusion.losses.focus import FocusCrossEntropy, focus_cross_entropy, focus_target
from napari_swinfusion.losses.intensity import Intensity, intensity
from napari_swinfusion.losses.low_frequency import LowFrequencyL1, low_frequency_l1
from napari_swinfusion.losses.mask import (
    MaskBalance,
    MaskBinarisation,
    MaskTotalVariation,
    mask_balance,
    mask_binarisation,
    mask_total_variation,
)
from napari_swinfusion.losses.reconstruction import LogError, gradient_l1, l1, log_error
from napari_swinfusion.losses.soft_target import sharpness_weights, soft_target
from napari_swinfusion.losses.ssim import SsimLoss, ssim_loss, ssim_to_sources
from napari_swinfusion.losses.transfer import EdgeTransferLoss, edge_transfer_loss

__all__ = [
    "Charbonnier",
    "CompositeError",
    "Disagreement",
    "EdgeTransferLoss",
    "FocusCrossEntropy",
    "Intensity",
    "LaplacianDetail",
    "LogDetail",
    "LogError",
    "LowFrequencyL1",
    "MaskBalance",
    "MaskBinarisation",
    "MaskTotalVariation",
    "SobelDetail",
    "SsimLoss",
    "charbonnier",
    "composite_error",
    "disagreement",
    "edge_transfer_loss",
    "error_optimal_composite",
    "focus_cross_entropy",
    "focus_target",
    "gradient_l1",
    "intensity",
    "l1",
    "laplacian_detail",
    "log_detail",
    "log_error",
    "low_frequency_l1",
    "mask_balance",
    "mask_binarisation",
    "mask_total_variation",
    "sharpness_weights",
    "sobel_detail",
    "soft_target",
    "ssim_loss",
    "ssim_to_sources",
]
