"""Classical fusion of real stacks: sharper than any plane, quiet background, better than the mean on pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from napari_swinfusion import fuse, read_stack
from napari_swinfusion.metrics.transfer import qabf


def test_organoids_are_sharp_and_their_background_is_quiet(real_data: Path) -> None:
    stack = read_stack(real_data / "zstack_organoid_bf_A01")
    planes = stack.read()[:, 0, 300:700, 300:900].astype(np.float64)
    guarded, textbook = (fuse(stack, model=model) for model in ("tenengrad", "tenengrad-argmax"))
    detail = [ndimage.gaussian_gradient_magnitude(plane, 1.0) for plane in planes]
    fused = guarded.image[300:700, 300:900].astype(np.float64)
    objects = ndimage.binary_dilation(np.mean(detail, axis=0) > 3, iterations=5)
    flat = ~ndimage.binary_dilation(np.max(detail, axis=0) > 6, iterations=15)
    assert ndimage.gaussian_gradient_magnitude(fused, 1.0)[objects].mean() > max(d[objects].mean() for d in detail)
    assert flat.sum() > 10_000

    def grain(image: np.ndarray) -> float:
        high = image.astype(np.float64) - ndimage.gaussian_filter(image.astype(np.float64), 2)
        return float(high[flat].std())

    assert grain(fused) < 0.6 * grain(textbook.image[300:700, 300:900])
    steps = np.abs(np.diff(guarded.decision[300:700, 300:900].astype(int), axis=1))[flat[:, 1:]]
    assert (steps > 1).mean() < 0.01


@pytest.mark.parametrize("model", ["tenengrad", "laplacian-energy", "variance", "laplacian-pyramid"])
def test_photograph_pair_keeps_its_edges(real_data: Path, model: str) -> None:
    stack = read_stack([real_data / "lytro" / f"lytro-01-{side}.jpg" for side in "AB"])
    sources = stack.read().mean(axis=1)

    def score(name: str) -> float:
        return qabf(fuse(stack, model=name).image.mean(axis=-1), sources)

    assert score(model) > score("mean") + 0.1
