"""An all-in-focus image to aim at where none is known: the sources weighted by how sharp each is.

After document 003: a weight from the Tenengrad or the Laplacian energy makes the soft target.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from napari_swinfusion.losses.filters import blur, laplacian_of_gaussian, sobel

Sharpness = Literal["tenengrad", "laplacian"]


def sharpness_weights(
    sources: Tensor,
    *,
    measure: Sharpness = "laplacian",
    window: float = 4.0,
    power: float = 4.0,
    floor: float = 1e-4,
) -> Tensor:
    """Return the share `(b, n, h, w)` of each source, (E + floor)^power over its sum, where E is its local energy.

    For two planes, a power of 1 and no floor this is E₁ / (E₁ + E₂), the plainest reading of the document, which gives
    no formula. More planes need a steeper choice, or eight blurred ones outvote the sharp one: window, power and
    floor are those that brought the target nearest the truth on simulated stacks of 2 to 12 planes.

    Parameters
    ----------
    sources
        `(b, n, h, w)`, in about [0, 1].
    measure
        "laplacian": squared Laplacian (Subbarao et al., Opt. Eng. 32, 1993), under a Gaussian of 1 px, for bare it sees
        noise first; "tenengrad": squared length of the Sobel gradient (Krotkov, Int. J. Comput. Vis. 1, 1987), as good
        by numbers, but it takes the skirt of a blurred dark object for detail and leaves a bright rim round it.
    window
        Sigma of the Gaussian under which the energy is summed, px.
    power
        Steepness of the choice.
    floor
        Energy that does not count: where no source has more, all share alike and their noise averages out.
    """
    if measure == "tenengrad":
        along_y, along_x = sobel(sources)
        energy = along_y.square() + along_x.square()
    else:
        energy = laplacian_of_gaussian(sources).square()
    local = blur(energy, window) + floor
    raised = (local / local.amax(1, keepdim=True)) ** power
    return raised / raised.sum(1, keepdim=True)


def soft_target(
    sources: Tensor,
    *,
    measure: Sharpness = "laplacian",
    window: float = 4.0,
    power: float = 4.0,
    floor: float = 1e-4,
) -> Tensor:
    """Return Σ share · source `(b, h, w)` with the shares of `sharpness_weights`, of whom no gradient is asked."""
    shares = sharpness_weights(sources.detach(), measure=measure, window=window, power=power, floor=floor)
    return (shares * sources.detach()).sum(1)
