"""A model as a package of the BioImage Model Zoo, https://bioimage.io (specification 0.5, extra `[bioimageio]`).

The focal planes are the axis z of one input tensor, so that any number of them fits. Grey levels are scaled by the
format's own percentiles over the whole stack; registration, lamp matching and tiling belong to the program and not to
the package, and neither do the raw values: the package's image is in [0, 1].
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_swinfusion import __version__
from napari_swinfusion.errors import InputError
from napari_swinfusion.networks import NetworkInfo, build_network
from napari_swinfusion.weights.files import read_header, read_model

_PERCENTILES = (0.1, 99.9)
_EPSILON = 1e-6  # Of the format's `scale_range`.
_SMALLEST_SIDE = 64
_DOCUMENTATION = """# {name}

{summary}.

The input is a focal stack: the planes of one place at different focus, axis z. The first output is the all-in-focus
image in the grey of the input scaled to [0, 1]; the second, where there is one, is the share of each plane in each
pixel, whose sums are 1.

Running it needs the Python package napari-swinfusion, which also registers planes, matches the lamp, works in tiles and
keeps the raw values.

## Validation

Compare the image with the planes it was made of: {validation}
"""


class PlaneFusion(nn.Module):
    """A network whose answer is a tuple of tensors, as the format asks."""

    def __init__(self, architecture: str, config: dict[str, Any]) -> None:
        super().__init__()
        self.network = build_network(architecture, config)

    def forward(self, planes: Tensor) -> tuple[Tensor, ...]:
        """Return the image `(b, h, w)`, and where the network has them the weights `(b, n, h, w)`."""
        fused = self.network(planes)
        return (fused.image,) if fused.weights is None else (fused.image, fused.weights)


def write_package(
    model: Path,
    out: Path,
    *,
    name: str,
    authors: Sequence[str] = (),
    license: str | None = None,
) -> Path:
    """Write the package of a model file to the zip `out`; see `export_model`.

    Raises
    ------
    InputError
        If the extra is not installed, or the format refuses a name or a licence.
    """
    try:
        from bioimageio.spec import save_bioimageio_package
        from bioimageio.spec.model import v0_5 as spec
    except ImportError as error:
        raise InputError(
            "A bioimage.io package needs the extra: pip install 'napari-swinfusion[bioimageio]'."
        ) from error
    header = read_header(model)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        info, outputs = _write_parts(folder, model, header, name)
        digest = hashlib.sha256(model.read_bytes()).hexdigest()
        facts = {"version": __version__, "sha256": digest, "story": header["story"]}
        try:
            description = spec.ModelDescr(
                name=_title(name),
                description=_summary(header),
                authors=[spec.Author(name=author) for author in authors or ["unknown"]],
                license=cast("Any", license),
                documentation=spec.FileDescr(source=folder / "README.md"),
                tags=["focus-stacking", "image-fusion", "microscopy", "napari", "pytorch"],
                inputs=[_input(spec, info, folder)],
                outputs=[_output(spec, key, folder) for key in outputs],
                weights=spec.WeightsDescr(pytorch_state_dict=_weights(spec, header, folder)),
                config=spec.Config.model_validate({"napari_swinfusion": facts}),
            )
        except ValueError as error:  # as pydantic tells it: a title, then where and what
            where, what = [*str(error).splitlines()[1:], "", ""][:2]
            raise InputError(
                f"The bioimage.io format refuses {where.partition('.')[0]}: {what.partition('[')[0].strip()}."
            ) from error
        save_bioimageio_package(description, output_path=out)
    return out


def _write_parts(folder: Path, model: Path, header: dict[str, Any], name: str) -> tuple[NetworkInfo, list[str]]:
    """Write the files of a package; return the facts of the network and the names of its outputs."""
    network = PlaneFusion(header["architecture"], header["config"])
    network.network.load_state_dict(read_model(model).state_dict())
    network.eval()
    planes = _test_planes(network.network.info)
    with torch.inference_mode():
        answers = [answer.numpy() for answer in network(torch.from_numpy(_scaled(planes)))]
    outputs = ["image", "weights"][: len(answers)]
    for key, array in zip(["planes", *outputs], [planes, *answers], strict=True):
        np.save(folder / f"{key}.npy", array)
    torch.save(network.state_dict(), folder / "weights.pt")
    reason = header["story"].get("judgement", {}).get("reason", "its file records no held-out scores.")
    text = _DOCUMENTATION.format(name=name, summary=_summary(header), validation=reason)
    (folder / "README.md").write_text(text, encoding="utf-8")
    (folder / "environment.yaml").write_text(_environment(), encoding="utf-8")
    return network.network.info, outputs


def _summary(header: dict[str, Any]) -> str:
    return str(header["story"].get("summary", "A network that fuses focal stacks"))


def _title(name: str) -> str:
    # At least five characters, of a few kinds.
    return f"SwinFusion {re.sub(r'[^a-zA-Z0-9 ()_-]', '-', name)}"


def _test_planes(info: NetworkInfo) -> NDArray[np.float32]:
    # Noise that is sharp in one plane here and in another there; only repeatability counts.
    side = max(_SMALLEST_SIDE, info.size_multiple)
    generator = np.random.default_rng(0)
    return generator.uniform(100, 4000, size=(1, max(info.planes[0], 2), side, side)).astype(np.float32)


def _scaled(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = np.percentile(planes, _PERCENTILES)
    scaled: NDArray[np.float32] = ((planes - low) / (high - low + _EPSILON)).astype(np.float32)
    return scaled


def _input(spec: Any, info: NetworkInfo, folder: Path) -> Any:
    fewest, most = info.planes
    step = info.size_multiple
    side = spec.ParameterizedSize(min=-(-_SMALLEST_SIDE // step) * step, step=step)
    return spec.InputTensorDescr(
        id="planes",
        description="Focal planes of one place, grey.",
        axes=[
            spec.BatchAxis(),
            spec.SpaceInputAxis(id="z", size=fewest if fewest == most else spec.ParameterizedSize(min=fewest, step=1)),
            spec.SpaceInputAxis(id="y", size=side),
            spec.SpaceInputAxis(id="x", size=side),
        ],
        test_tensor=spec.FileDescr(source=folder / "planes.npy"),
        preprocessing=[
            spec.ScaleRangeDescr(
                kwargs=spec.ScaleRangeKwargs(
                    axes=["z", "y", "x"], min_percentile=_PERCENTILES[0], max_percentile=_PERCENTILES[1], eps=_EPSILON
                )
            )
        ],
    )


def _output(spec: Any, key: str, folder: Path) -> Any:
    axes = "yx" if key == "image" else "zyx"
    return spec.OutputTensorDescr(
        id=key,
        description="The all-in-focus image." if key == "image" else "The share of each plane in each pixel.",
        axes=[
            spec.BatchAxis(),
            *(
                spec.SpaceOutputAxis(id=axis, size=spec.SizeReference(tensor_id="planes", axis_id=axis))
                for axis in axes
            ),
        ],
        test_tensor=spec.FileDescr(source=folder / f"{key}.npy"),
    )


def _weights(spec: Any, header: dict[str, Any], folder: Path) -> Any:
    return spec.PytorchStateDictWeightsDescr(
        source=folder / "weights.pt",
        pytorch_version=torch.__version__.partition("+")[0],
        architecture=spec.ArchitectureFromLibraryDescr(
            callable=PlaneFusion.__name__,
            import_from=PlaneFusion.__module__,
            kwargs={"architecture": header["architecture"], "config": header["config"]},
        ),
        dependencies=spec.FileDescr(source=folder / "environment.yaml"),
    )


def _environment() -> str:
    lines = ["name: napari-swinfusion", "channels: [conda-forge]", "dependencies:", "  - python>=3.11", "  - pip"]
    return "\n".join([*lines, "  - pip:", f"      - napari-swinfusion=={__version__}"]) + "\n"
