"""What the user asked plus what the layers are, resolved into one frozen request; no Qt, no napari, no pixels read.

A run works on its request alone, so a layer that is renamed, replaced or deleted meanwhile does it no harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from napari_swinfusion.errors import AxesError, InputError
from napari_swinfusion.focal_stack import (
    ArrayLike,
    FocalStack,
    SpatialMetadata,
    check_axes,
    collapse_equal_samples,
)
from napari_swinfusion.tiling import Box
from napari_swinfusion.viewer.placement import Placement

_LETTERS = {
    "t": "T", "time": "T", "frame": "T",
    "c": "C", "ch": "C", "channel": "C",
    "z": "Z", "depth": "Z", "focus": "Z", "plane": "Z",
    "y": "Y", "row": "Y",
    "x": "X", "column": "X", "col": "X",
}  # fmt: skip
_BY_NDIM = {2: "YX", 3: "ZYX"}
_NOT_LENGTHS = {"pixel", "dimensionless", ""}


@dataclass(frozen=True, kw_only=True)
class LayerView:
    """What a run needs to know of one image layer.

    Attributes
    ----------
    key
        Identifies the layer as long as it lives, whatever its name.
    data
        Full-resolution array; never written to.
    rgb
        Whether the last axis of `data` holds colour samples; `placement` has no entry for it.
    contrast_limits, colormap
        How it is shown; None for RGB.
    """

    key: str
    name: str
    data: ArrayLike
    placement: Placement
    rgb: bool = False
    contrast_limits: tuple[float, float] | None = None
    colormap: Any = None

    def axes(self, override: str = "", *, planes: bool = False) -> str:
        """Return the axes of `data`: `override` if given, else by the layer's axis labels, else by its dimensions.

        Raises
        ------
        AxesError
            If they cannot be told, or contradict the data; `planes` says that no Z is needed.
        """
        spelled = override.strip().upper() or self._named_axes() or self._usual_axes(planes)
        check_axes(spelled, self.data.shape, required="YX" if planes else "ZYX")
        if "S" in spelled and spelled[-1] != "S":
            raise AxesError(f"Axes '{spelled}': the viewer shows colour only where S is the last axis.")
        return spelled

    def _named_axes(self) -> str:
        letters = [_LETTERS.get(label.lower(), "") for label in self.placement.axis_labels]
        named = "".join(letters) + "S" * self.rgb
        return named if all(letters) and len(set(named)) == len(named) else ""

    def _usual_axes(self, planes: bool) -> str:
        n = len(self.data.shape) - self.rgb
        if n == 2 and not planes:
            raise InputError(f"'{self.name}' is a single plane; choose a z-stack, or switch to two plane layers.")
        if n not in _BY_NDIM or (planes and n != 2):
            example = "CYX" if planes else "TZYX"
            raise AxesError(
                f"The {n} axes of '{self.name}' are not named; type them under Advanced, for example {example}."
            )
        return _BY_NDIM[n] + "S" * self.rgb


@dataclass(frozen=True, kw_only=True)
class Options:
    """The user's choices, by the names of `napari_swinfusion.fuse`."""

    model: str = "default"
    device: str = "auto"
    register: Literal["off", "translation"] = "off"
    match_illumination: bool = True
    blend: Literal["soft", "hard"] = "soft"
    prefer: Literal["top", "bottom"] | None = None
    decide_on: int | str | None = None
    tile: int | None = None

    def arguments(self) -> dict[str, Any]:
        """Return keyword arguments for `fuse`."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Region:
    """The part a preview fuses: a box of the image at one time point."""

    box: Box
    time: int = 0


@dataclass(frozen=True, kw_only=True)
class FuseRequest:
    """One run, fully decided.

    Attributes
    ----------
    views
        One z-stack layer, or the two plane layers in the order of focus.
    axes
        Axes of the stack; for two planes with Z in front.
    region
        The part to fuse for a preview; None for all.
    threads
        Processor threads the run may use; 0 leaves one core to the window.
    show_depth
        Whether the depth map becomes a layer, too.
    """

    views: tuple[LayerView, ...]
    axes: str
    options: Options = field(default_factory=Options)
    region: Region | None = None
    threads: int = 0
    show_depth: bool = False

    @property
    def name(self) -> str:
        """The name results are called after."""
        return " + ".join(view.name for view in self.views)

    @property
    def key(self) -> str:
        """Identifies the source for as long as its layers live."""
        return " ".join(view.key for view in self.views)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the stack along `axes`."""
        shape = tuple(self.views[0].data.shape)
        return shape if len(self.views) == 1 else (len(self.views), *shape)

    @property
    def placement(self) -> Placement:
        """Where the stack sits in the world."""
        place = self.views[0].placement
        return place if len(self.views) == 1 else place.with_axis_in_front("z")

    def summary(self) -> str:
        """Return the size of the stack in one line for the dock."""
        size = dict(zip(self.axes, self.shape, strict=True))
        parts = [f"{size['Z']} planes", f"{size['X']} × {size['Y']} px"]
        parts += [f"{size[a]} {word}" for a, word in (("C", "channels"), ("T", "times")) if size.get(a, 1) > 1]
        if "S" in size:
            parts.append("RGBA" if size["S"] == 4 else "RGB")
        return " · ".join([*parts, str(np.dtype(self.views[0].data.dtype))])

    def open(self) -> FocalStack:
        """Return the stack to fuse; reads pixels, so call it in the worker."""
        arrays = [view.data[self._index(self.axes[-len(view.data.shape) :])] for view in self.views]
        data: Any = arrays[0] if len(arrays) == 1 else np.stack([np.asarray(array) for array in arrays])
        stack = FocalStack(data=data, axes=self.axes, metadata=self._metadata(), name=self.name)
        return collapse_equal_samples(stack)

    def _index(self, axes: str) -> tuple[slice, ...]:
        if self.region is None:
            return (slice(None),) * len(axes)
        rows, columns = self.region.box.slices
        part = {"Y": rows, "X": columns, "T": slice(self.region.time, self.region.time + 1)}
        return tuple(part.get(axis, slice(None)) for axis in axes)

    def _metadata(self) -> SpatialMetadata:
        place = self.placement
        scale = dict(zip(self.axes, place.scale, strict=False))
        unit = dict(zip(self.axes, place.units, strict=False))
        if unit["X"] in _NOT_LENGTHS:
            return SpatialMetadata()
        return SpatialMetadata(
            pixel_size=(abs(scale["Y"]), abs(scale["X"])),
            z_step=abs(scale["Z"]) if unit["Z"] == unit["X"] else None,
            unit="µm" if unit["X"] == "micrometer" else unit["X"],
            time_step=scale["T"] if unit.get("T", "") not in _NOT_LENGTHS else None,
            time_unit=unit["T"] if unit.get("T", "") not in _NOT_LENGTHS else "s",
        )


def resolve(views: Sequence[LayerView], options: Options, *, axes: str = "", threads: int = 0) -> FuseRequest:
    """Return the request for one z-stack layer or two plane layers, or say why there is none.

    Raises
    ------
    InputError
        With the reason in one sentence, for the user.
    """
    if not views:
        raise InputError("Open a z-stack or two focal planes first; File > Open Sample > SwinFusion has both.")
    if len({view.key for view in views}) < len(views):
        raise InputError("Both planes are the same layer; choose two different ones.")
    if len(views) == 1:
        request = FuseRequest(views=tuple(views), axes=views[0].axes(axes), options=options, threads=threads)
    else:
        request = _resolve_planes(views, options, axes, threads)
    # The shared checks of the core; a wrapper of views, no copy.
    FocalStack(data=_Outline(request.shape, request.views[0].data.dtype), axes=request.axes, name=request.name)
    n_planes = request.shape[request.axes.index("Z")]
    if n_planes < 2:
        raise InputError(f"'{request.name}' has {n_planes} plane; fusion needs at least two.")
    n_channels = request.shape[request.axes.index("C")] if "C" in request.axes else 1
    if isinstance(options.decide_on, int) and options.decide_on >= n_channels:
        raise InputError(f"'{request.name}' has no channel {options.decide_on}; choose another under Advanced.")
    return request


def _resolve_planes(views: Sequence[LayerView], options: Options, axes: str, threads: int) -> FuseRequest:
    kinds = [f"{tuple(view.data.shape)} {np.dtype(view.data.dtype)}" for view in views]
    if len(set(kinds)) > 1:
        listing = "; ".join(f"'{view.name}': {kind}" for view, kind in zip(views, kinds, strict=True))
        raise InputError(f"The planes differ in size or type ({listing}); crop or convert them to match.")
    spelled = views[0].axes(axes, planes=True)
    if "Z" in spelled:
        raise AxesError(f"'{views[0].name}' is a z-stack itself; fuse it as one, or choose single planes.")
    return FuseRequest(views=tuple(views), axes="Z" + spelled, options=options, threads=threads)


@dataclass(frozen=True)
class _Outline:
    """An array's shape and dtype without its pixels, enough for the checks of `FocalStack`."""

    shape: tuple[int, ...]
    dtype: Any

    def __getitem__(self, index: Any, /) -> Any:
        raise TypeError("An outline holds no pixels.")
