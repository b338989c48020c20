"""The command line fuses every real stack: same size, type and scale out, and sharper than any plane that went in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from scipy import ndimage
from typer.testing import CliRunner

from napari_swinfusion.cli.app import app
from napari_swinfusion.focal_stack import FocalStack
from napari_swinfusion.io import read_provenance, read_stack

REAL = {
    "organoid": (["zstack_organoid_bf_A01"], []),
    "fly eye": (["zstack_flyeye_reflected"], []),
    "leaf": (["zstack_leaf_reflected"], ["--register", "translation"]),
    "microtubules": (["zstack_microtubules_fluor"], []),
    "lytro": (["lytro/lytro-01-A.jpg", "lytro/lytro-01-B.jpg"], []),
}


def fuse_real(
    real_data: Path, tmp_path: Path, case: str, model: str
) -> tuple[FocalStack, dict[str, NDArray[np.generic]]]:
    """Run the command and return the stack and the written arrays."""
    sources, options = REAL[case]
    inputs = [str(real_data / source) for source in sources]
    files = {role: tmp_path / f"{role}.ome.tif" for role in ("fused", "decision", "confidence")}
    arguments = ["fuse", *inputs, "-o", str(files["fused"]), "--decision", str(files["decision"])]
    arguments += ["--confidence", str(files["confidence"]), "--model", model, "--json", *options]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["provenance"] == read_provenance(files["fused"])
    stack = read_stack(inputs[0] if len(inputs) == 1 else inputs)
    return stack, {role: tifffile.imread(path) for role, path in files.items()}


def sharpness(image: NDArray[np.generic]) -> float:
    """Return the mean squared gradient of an image (Y, X[, S])."""
    rows, columns = np.gradient(image.astype(np.float64), axis=(0, 1))
    return float((rows**2 + columns**2).mean())


def check(stack: FocalStack, written: dict[str, NDArray[np.generic]]) -> None:
    """Check shape, type and range, and that several planes are used."""
    fused, decision, confidence = written["fused"], written["decision"], written["confidence"]
    assert fused.dtype == stack.dtype
    assert fused.shape == tuple(stack.size(axis) for axis in stack.axes_without("Z"))
    assert decision.shape == confidence.shape == (stack.height, stack.width)
    assert set(np.unique(decision)) <= set(range(stack.n_planes))
    assert len(np.unique(decision)) > 1
    assert confidence.min() >= 0
    assert confidence.max() <= 1


@pytest.mark.parametrize("case", REAL)
def test_real_stack_with_a_classical_model(real_data: Path, tmp_path: Path, case: str) -> None:
    stack, written = fuse_real(real_data, tmp_path, case, "tenengrad")
    check(stack, written)
    planes = [np.asarray(stack.data)[z] for z in range(stack.n_planes)]
    if case == "microtubules":
        # Few photons: planes are averaged where none stands out, and noise is most of a plane's gradient.
        assert sharpness(written["fused"]) > sharpness(np.mean(planes, axis=0))
    else:
        assert sharpness(written["fused"]) > max(map(sharpness, planes))


@pytest.mark.parametrize("case", REAL)
def test_real_stack_with_the_default_model(real_data: Path, tmp_path: Path, case: str) -> None:
    """Where it is confident it is sharper than every plane, at a scale that leaves the camera's noise behind."""
    stack, written = fuse_real(real_data, tmp_path, case, "default")
    check(stack, written)
    sure = written["confidence"] > 0.5
    assert sure.mean() > 0.02
    planes = [np.asarray(stack.data)[z] for z in range(stack.n_planes)]
    assert structure(written["fused"], sure) > max(structure(plane, sure) for plane in planes)


def structure(image: NDArray[np.generic], where: NDArray[np.bool_]) -> float:
    """Return the mean squared gradient of an image (Y, X[, S]) at a scale of 1.5 px."""
    sigma = (1.5, 1.5, 0)[: image.ndim]
    rows, columns = np.gradient(ndimage.gaussian_filter(image.astype(np.float64), sigma), axis=(0, 1))
    return float((rows**2 + columns**2)[where].mean())
