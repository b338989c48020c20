"""Every quality metric with what a table must know about it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from napari_swinfusion.metrics.activity import average_gradient, entropy, spatial_frequency, standard_deviation
from napari_swinfusion.metrics.contrast import q_cb
from napari_swinfusion.metrics.correlation import scd
from napari_swinfusion.metrics.depth import depth_error
from napari_swinfusion.metrics.fidelity import viff
from napari_swinfusion.metrics.information import mutual_information, normalised_mutual_information
from napari_swinfusion.metrics.multi_scale import ms_ssim
from napari_swinfusion.metrics.reference import psnr, psnr_flat, psnr_textured, ssim
from napari_swinfusion.metrics.similarity import q_y
from napari_swinfusion.metrics.transfer import qabf
from napari_swinfusion.metrics.wavelet import q_m


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known about one fusion.

    Attributes
    ----------
    fused
        Grey `(h, w)`.
    data_range
        Distance from black to white in the unit of `fused`, `sources` and `truth`.
    sources
        Grey planes `(n, h, w)`.
    truth
        All-in-focus image `(h, w)`.
    depth, true_depth
        Depth map, found and true, `(h, w)`, planes and fractions of them.
    """

    fused: NDArray[Any]
    data_range: float
    sources: NDArray[Any] | None = None
    truth: NDArray[Any] | None = None
    depth: NDArray[Any] | None = None
    true_depth: NDArray[Any] | None = None


@dataclass(frozen=True, kw_only=True)
class MetricInfo:
    """Facts about a metric.

    Attributes
    ----------
    function
        Takes the fused image (of a "depth" metric the depth map) first, then what `needs` says.
    needs
        "truth": the true image; "sources": the grey planes; "depth": the true depth; "image": nothing more.
    bounds
        Worst and best value it can take, in that order.
    paper
        Where it was defined.
    ranged
        Whether the function takes `data_range`.
    rewards_noise
        Whether noise and halos raise it: such a metric never stands alone.
    pairs_only
        Whether it misleads on stacks, and is measured on two sources alone: it rewards what most planes show, and at
        any place most planes of a stack are out of focus.
    """

    name: str
    function: Callable[..., float]
    needs: Literal["truth", "sources", "depth", "image"]
    higher_is_better: bool
    bounds: tuple[float, float]
    unit: str
    paper: str
    ranged: bool = False
    rewards_noise: bool = False
    pairs_only: bool = False

    def measure(self, evidence: Evidence) -> float | None:
        """Return the score, or None where the evidence is not what the metric needs.

        Raises
        ------
        InputError
            If the metric is not defined for these images: too small, or without any detail.
        """
        given: tuple[NDArray[Any] | None, ...] = {
            "truth": (evidence.fused, evidence.truth),
            "sources": (evidence.fused, evidence.sources),
            "depth": (evidence.depth, evidence.true_depth),
            "image": (evidence.fused,),
        }[self.needs]
        if any(part is None for part in given):
            return None
        if self.pairs_only and evidence.sources is not None and len(evidence.sources) != 2:
            return None
        return self.function(*given, **({"data_range": evidence.data_range} if self.ranged else {}))


def _on_truth(name: str, function: Callable[..., float], paper: str, unit: str = "") -> MetricInfo:
    bounds = (-math.inf, math.inf) if unit == "dB" else (0.0 if name == "ms-ssim" else -1.0, 1.0)
    return MetricInfo(
        name=name,
        function=function,
        needs="truth",
        higher_is_better=True,
        bounds=bounds,
        unit=unit,
        paper=paper,
        ranged=True,
    )


def _on_sources(
    name: str,
    function: Callable[..., float],
    paper: str,
    bounds: tuple[float, float],
    *,
    ranged: bool = False,
    pairs_only: bool = False,
    unit: str = "",
) -> MetricInfo:
    return MetricInfo(
        name=name,
        function=function,
        needs="sources",
        higher_is_better=True,
        bounds=bounds,
        unit=unit,
        paper=paper,
        ranged=ranged,
        pairs_only=pairs_only,
    )


def _of_activity(
    name: str, function: Callable[..., float], paper: str, unit: str, most: float = math.inf
) -> MetricInfo:
    return MetricInfo(
        name=name,
        function=function,
        needs="image",
        higher_is_better=True,
        bounds=(0.0, most),
        unit=unit,
        paper=paper,
        ranged=True,
        rewards_noise=True,
    )


_PSNR = "10 log10 of squared range over mean squared error"

METRICS: dict[str, MetricInfo] = {
    info.name: info
    for info in (
        _on_truth("psnr", psnr, _PSNR, "dB"),
        _on_truth("psnr-textured", psnr_textured, f"{_PSNR}, where the truth has detail", "dB"),
        _on_truth("psnr-flat", psnr_flat, f"{_PSNR}, where the truth has none", "dB"),
        _on_truth("ssim", ssim, "Wang et al., IEEE Trans. Image Process. 13, 2004"),
        _on_truth("ms-ssim", ms_ssim, "Wang, Simoncelli and Bovik, Asilomar Conf. Signals 37, 2003"),
        MetricInfo(
            name="depth-error",
            function=depth_error,
            needs="depth",
            higher_is_better=False,
            bounds=(math.inf, 0.0),
            unit="planes",
            paper="mean absolute difference",
        ),
        _on_sources("qabf", qabf, "Xydeas and Petrovic, Electron. Lett. 36, 2000", (0.0, 0.975)),
        _on_sources(
            "nmi",
            normalised_mutual_information,
            "Hossny, Nahavandi and Creighton, Electron. Lett. 44, 2008",
            (0.0, 2.0),
            pairs_only=True,
        ),
        _on_sources("qm", q_m, "Wang and Liu, Int. Conf. Signal Process., 2008", (0.0, 1.0), ranged=True),
        _on_sources("qy", q_y, "Yang, Zhang, Wang and Liu, Inf. Fusion 9, 2008", (-1.0, 1.0), ranged=True),
        _on_sources("qcb", q_cb, "Chen and Blum, Image Vis. Comput. 27, 2009", (0.0, 1.0)),
        _on_sources("viff", viff, "Han, Cai, Cao and Xu, Inf. Fusion 14, 2013", (0.0, math.inf), ranged=True),
        _on_sources(
            "mi",
            mutual_information,
            "Qu, Zhang and Yan, Electron. Lett. 38, 2002",
            (0.0, 16.0),
            pairs_only=True,
            unit="bit",
        ),
        _on_sources(
            "scd", scd, "Aslantas and Bendes, Int. J. Electron. Commun. 69, 2015", (-2.0, 2.0), pairs_only=True
        ),
        _of_activity("ag", average_gradient, "Cui et al., Opt. Commun. 341, 2015", "grey levels"),
        _of_activity("sf", spatial_frequency, "Eskicioglu and Fisher, IEEE Trans. Commun. 43, 1995", "grey levels"),
        _of_activity("en", entropy, "Roberts, van Aardt and Ahmed, J. Appl. Remote Sens. 2, 2008", "bit", 8.0),
        _of_activity("sd", standard_deviation, "Rao, Meas. Sci. Technol. 8, 1997", "grey levels"),
    )
}
