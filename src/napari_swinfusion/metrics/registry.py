"""Every quality metric with what a table must know about it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from napari_swinfusion.metrics.depth import depth_error
from napari_swinfusion.metrics.reference import psnr, ssim
from napari_swinfusion.metrics.transfer import qabf


@dataclass(frozen=True, kw_only=True)
class MetricInfo:
    """Facts about a metric.

    Attributes
    ----------
    function
        Takes the fused image or map first, then what `needs` says.
    needs
        "truth": the true image and `data_range`; "sources": the grey planes; "depth": the true depth.
    bounds
        Worst and best value it can take, in that order.
    paper
        Where it was defined.
    """

    name: str
    function: Callable[..., float]
    needs: Literal["truth", "sources", "depth"]
    higher_is_better: bool
    bounds: tuple[float, float]
    unit: str
    paper: str


METRICS: dict[str, MetricInfo] = {
    info.name: info
    for info in (
        MetricInfo(
            name="psnr",
            function=psnr,
            needs="truth",
            higher_is_better=True,
            bounds=(-math.inf, math.inf),
            unit="dB",
            paper="10 log10 of squared range over mean squared error",
        ),
        MetricInfo(
            name="ssim",
            function=ssim,
            needs="truth",
            higher_is_better=True,
            bounds=(-1.0, 1.0),
            unit="",
            paper="Wang et al., IEEE Trans. Image Process. 13, 2004",
        ),
        MetricInfo(
            name="qabf",
            function=qabf,
            needs="sources",
            higher_is_better=True,
            bounds=(0.0, 0.975),
            unit="",
            paper="Xydeas and Petrovic, Electron. Lett. 36, 2000",
        ),
        MetricInfo(
            name="depth-error",
            function=depth_error,
            needs="depth",
            higher_is_better=False,
            bounds=(math.inf, 0.0),
            unit="planes",
            paper="mean absolute difference",
        ),
    )
}
