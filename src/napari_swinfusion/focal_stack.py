"""What flows through the corridor: a `FocalStack` goes in, a `FusedImage` comes out.

Axes are spelled with the letters of `AXES`: T time, C channel, Z focus, Y and X space, S colour samples (RGB, RGBA).
Internally one time point is read as a volume `(Z, K, Y, X)`, where K runs over C and then S.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.errors import AxesError, InputError
from napari_swinfusion.tiling import Box

AXES = "TCZYXS"


class ArrayLike(Protocol):
    """Anything sliceable with a shape and a dtype: numpy, a memory map, dask, zarr."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length along each axis."""
        ...

    @property
    def dtype(self) -> Any:
        """Type of a value."""
        ...

    def __getitem__(self, index: Any, /) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class SpatialMetadata:
    """What must survive from input to output.

    Attributes
    ----------
    pixel_size
        Size of a pixel (y, x) in `unit`; None where the source does not say.
    z_step
        Distance of neighbouring planes in `unit`.
    unit
        Length unit of `pixel_size` and `z_step`.
    time_step, time_unit
        Distance of neighbouring time points.
    channel_names
        One name per channel of axis C, or empty.
    """

    pixel_size: tuple[float, float] | None = None
    z_step: float | None = None
    unit: str = "µm"
    time_step: float | None = None
    time_unit: str = "s"
    channel_names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FocalStack:
    """Planes of one scene at different focus, with what is known about them.

    Attributes
    ----------
    data
        Array-like, read box by box; never written to.
    axes
        One letter of "TCZYXS" for each dimension of `data`; must hold Z, Y and X.
    metadata
        Pixel size, z step, units, channel names, time step.
    name
        Short name for outputs and layers.
    source
        The file or folder it was read from, or None.
    notices
        What was changed or assumed on the way in, one sentence each.

    Raises
    ------
    AxesError
        If `axes` and the shape of `data` contradict each other.
    InputError
        If there are no planes or the pixels are not real numbers.
    """

    data: ArrayLike
    axes: str
    metadata: SpatialMetadata = field(default_factory=SpatialMetadata)
    name: str = "stack"
    source: str | None = None
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_axes(self.axes, self.data.shape, required="ZYX")
        if 0 in self.data.shape:
            what = "planes" if self.n_planes == 0 else "pixels"
            raise InputError(f"'{self.name}' has no {what} (shape {self.data.shape}, axes {self.axes}).")
        if np.dtype(self.data.dtype).kind not in "buif":
            raise InputError(
                f"'{self.name}' holds {self.data.dtype} pixels; fusion needs real numbers. "
                "Convert it first, for example to its magnitude."
            )

    @classmethod
    def from_array(cls, array: ArrayLike, axes: str | None = None, **fields: Any) -> FocalStack:
        """Wrap an array; without `axes`, 3-D is ZYX and 4-D with 3 or 4 last elements is ZYXS.

        Raises
        ------
        AxesError
            If the axes cannot be told from the shape.
        """
        return collapse_equal_samples(cls(data=array, axes=axes or guess_axes(array.shape), **fields))

    @classmethod
    def from_planes(cls, planes: Sequence[NDArray[Any]], **fields: Any) -> FocalStack:
        """Stack equally shaped (Y, X) or (Y, X, S) planes in the given order.

        Raises
        ------
        InputError
            If there are no planes, or they differ in shape or dtype.
        """
        if not planes:
            raise InputError("There are no planes to fuse; give at least two.")
        kinds = [f"{plane.shape} {plane.dtype}" for plane in planes]
        if len(set(kinds)) > 1:
            listing = "; ".join(f"plane {i}: {kind}" for i, kind in enumerate(kinds))
            raise InputError(f"The planes differ in size or type ({listing}); crop or convert them to match.")
        if planes[0].ndim not in (2, 3):
            raise AxesError(f"A plane must be (Y, X) or (Y, X, S), not {planes[0].ndim}-dimensional.")
        axes = "ZYX" if planes[0].ndim == 2 else "ZYXS"
        return cls.from_array(np.stack(planes), axes, **fields)

    def size(self, axis: str) -> int:
        """Return the length along `axis`, 1 where there is no such axis."""
        return self.data.shape[self.axes.index(axis)] if axis in self.axes else 1

    @property
    def n_planes(self) -> int:
        """Number of focal planes."""
        return self.size("Z")

    @property
    def n_times(self) -> int:
        """Number of time points."""
        return self.size("T")

    @property
    def n_values(self) -> int:
        """Values per pixel: channels times colour samples."""
        return self.size("C") * self.size("S")

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.size("Y")

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.size("X")

    @property
    def dtype(self) -> np.dtype[Any]:
        """The pixel type, in this machine's byte order."""
        native: np.dtype[Any] = np.dtype(self.data.dtype).newbyteorder("=")
        return native

    @property
    def whole(self) -> Box:
        """The box of all pixels."""
        return Box(0, self.height, 0, self.width)

    def read(self, time: int = 0, box: Box | None = None, plane: int | None = None) -> NDArray[Any]:
        """Return one time point as `(Z, K, h, w)` in native byte order; `plane` reads just that one (Z = 1)."""
        box = box or self.whole
        take: dict[str, slice] = {
            "T": slice(time, time + 1),
            "Z": slice(None) if plane is None else slice(plane, plane + 1),
            "Y": slice(box.y0, box.y1),
            "X": slice(box.x0, box.x1),
        }
        part = np.asarray(self.data[tuple(take.get(axis, slice(None)) for axis in self.axes)])
        part = part.astype(self.dtype, copy=False)
        missing = [axis for axis in AXES if axis not in self.axes]
        part = part.reshape(part.shape + (1,) * len(missing))
        spelled = self.axes + "".join(missing)
        part = part.transpose([spelled.index(axis) for axis in "TZCSYX"])[0]
        return np.asarray(part.reshape(part.shape[0], -1, *part.shape[-2:]))

    def axes_without(self, axes: str) -> str:
        """Return the axes string less the letters of `axes`."""
        return "".join(axis for axis in self.axes if axis not in axes)

    def assemble(self, per_time: Sequence[NDArray[Any]], *, drop: str = "Z") -> NDArray[Any]:
        """Join one array a time point, `(K, Y, X)` or `(Y, X)`, into this stack's axes without `drop`.

        `drop` is "Z" for the image, "ZCS" for maps without channels, "ZS" for maps of each channel `(C, Y, X)`.
        """
        joined = np.stack(per_time)
        samples = 1 if "S" in drop else self.size("S")
        channels = 1 if "C" in drop else self.size("C")
        joined = joined.reshape(len(per_time), channels, samples, *joined.shape[-2:])
        spelled = "TCSYX"
        keep = self.axes_without(drop)
        index = tuple(slice(None) if axis in keep else 0 for axis in spelled)
        left = "".join(axis for axis in spelled if axis in keep)
        return joined[index].transpose([left.index(axis) for axis in keep])


@dataclass(frozen=True, kw_only=True)
class FusedImage:
    """The answer of one fusion.

    Attributes
    ----------
    image
        Fused image; dtype and axes of the input, less Z.
    decision
        Index (0-based) of the plane each pixel came from; axes `decision_axes`.
    confidence
        float32 in [0, 1]: how much one plane stands out at the pixel itself; 0 where none does. Below 0.2 `decision`,
        and below 0.7 `depth`, may have been filled from around.
    depth
        float32: where in z a pixel is in focus, in planes from 0 and fractions of them; axes `decision_axes`. Times
        `metadata.z_step` it is a height. Not always next to `decision`, whose plane is nearest to the truth.
    weights
        float32 share of each plane, summing to 1 over Z; only with `keep_weights=True`. Axes "Z" + `decision_axes`.
    provenance
        JSON-able: version, model and its sha256, parameters, shifts, gains, device, seconds.
    axes, decision_axes
        The axes of `image` and of the maps.
    metadata
        Pixel size, units, channel names, taken over from the input.
    notices
        What the user should know, one sentence each.
    """

    image: NDArray[Any]
    decision: NDArray[Any]
    confidence: NDArray[np.float32]
    depth: NDArray[np.float32]
    provenance: dict[str, Any]
    axes: str
    decision_axes: str
    weights: NDArray[np.float32] | None = None
    metadata: SpatialMetadata = field(default_factory=SpatialMetadata)
    name: str = "stack"
    notices: tuple[str, ...] = ()


def check_axes(axes: str, shape: tuple[int, ...], *, required: str) -> None:
    """Raise `AxesError` unless `axes` spells `shape` with distinct known letters and holds `required`."""
    if len(axes) != len(shape):
        raise AxesError(f"Axes '{axes}' name {len(axes)} dimensions, but the data has {len(shape)}: {shape}.")
    unknown = sorted(set(axes) - set(AXES))
    if unknown or len(set(axes)) != len(axes):
        raise AxesError(f"Axes '{axes}' must be distinct letters of {AXES}; name each axis, for example --axes ZYX.")
    absent = [axis for axis in required if axis not in axes]
    if absent:
        raise AxesError(f"Axes '{axes}' lack {' and '.join(absent)}; a focal stack needs Z, Y and X.")


def guess_axes(shape: tuple[int, ...]) -> str:
    """Return the axes a bare array most likely has, or raise `AxesError` where that would be a gamble."""
    if len(shape) == 3 and shape[2] in (3, 4) and min(shape[:2]) > 4:
        raise AxesError(f"Shape {shape} looks like one RGB image, not a stack; say which with axes='ZYX' or 'YXS'.")
    if len(shape) == 3:
        return "ZYX"
    if len(shape) == 4 and shape[3] in (3, 4):
        return "ZYXS"
    raise AxesError(f"The axes of shape {shape} are not clear; name them with letters of {AXES}, for example 'CZYX'.")


def collapse_equal_samples(stack: FocalStack) -> FocalStack:
    """Return a grey stack with a notice where all colour samples are equal, else `stack` itself."""
    if "S" not in stack.axes or stack.size("S") != 3:
        return stack
    sample_axis = stack.axes.index("S")
    for time in range(stack.n_times):
        for plane in range(stack.n_planes):
            volume = stack.read(time, plane=plane)
            samples = volume.reshape(stack.size("C"), 3, *volume.shape[-2:])
            if not (samples == samples[:, :1]).all():
                return stack
    grey = np.take(np.asarray(stack.data), 0, axis=sample_axis)
    notice = "The three colour channels are equal; the stack is treated as grey."
    return replace(stack, data=grey, axes=stack.axes_without("S"), notices=(*stack.notices, notice))
