"""One time point made ready: which shift, gain, offset and grey scale each plane gets, read box by box.

Nothing the user gave is changed in place, and no second copy of the stack exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from skimage.measure import block_reduce

from napari_swinfusion.errors import InputError
from napari_swinfusion.focal_stack import FocalStack
from napari_swinfusion.prepare.illumination import Illumination, estimate_illumination, no_match
from napari_swinfusion.prepare.intensity import GreyScale, alpha_samples, grey_scale
from napari_swinfusion.prepare.order import out_of_order
from napari_swinfusion.prepare.registration import Shifts, measure_shifts
from napari_swinfusion.prepare.survey import Survey, survey
from napari_swinfusion.tiling import Box

Register = Literal["off", "translation"]

_NOTABLE_SHIFT = 2.0
# Largest shift, px, with which planes are compared where they lie.
_STEADY = 1.5


@dataclass(frozen=True, kw_only=True)
class PreparedStack:
    """The planes of one time point; a `GreyPlanes` for deciders and the raw values for composing.

    Attributes
    ----------
    gains, offsets
        float64 `(n, K)`: matched value = gain · raw + offset.
    shifts
        int `(n, 2)` [dy, dx]: how far each plane is moved; zeros with register="off".
    measured
        What was measured, to a fraction of a pixel.
    unusable
        bool `(n,)`: planes left out (one single value, no light).
    fill
        float32 `(th, tw)` grey that stands in for pixels that are not finite; `fill_step` px a value.
    notices
        What the user should know, one sentence each.
    """

    stack: FocalStack
    time: int
    shifts: NDArray[np.int64]
    measured: Shifts
    gains: NDArray[np.float64]
    offsets: NDArray[np.float64]
    scale: GreyScale
    unusable: NDArray[np.bool_]
    non_finite: NDArray[np.int64]
    fill: NDArray[np.float32]
    fill_step: int
    notices: tuple[str, ...]

    @property
    def n_planes(self) -> int:
        """Number of focal planes."""
        return self.stack.n_planes

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.stack.height

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.stack.width

    def grey(self, box: Box, plane: int | None = None) -> NDArray[np.float32]:
        """Return `(n, h, w)` float32, finite, about [0, 1]; `plane` reads one (n = 1)."""
        return self.grey_of(range(self.n_planes) if plane is None else [plane], box)

    def grey_of(self, planes: Sequence[int], box: Box) -> NDArray[np.float32]:
        """Return the grey `(m, h, w)` of some planes."""
        grey = np.empty((len(planes), box.height, box.width), dtype=np.float32)
        for row, i in enumerate(planes):
            if self.unusable[i]:
                grey[row] = np.median(self.fill)
                continue
            raw = self.raw(box, i)[0]
            with np.errstate(invalid="ignore", over="ignore"):
                grey[row] = self.scale.apply(raw, i)
            if self.non_finite[i]:
                grey[row] = np.where(np.isfinite(raw).all(axis=0), grey[row], self._fill(box))
        return grey

    def raw(self, box: Box, plane: int | None = None) -> NDArray[Any]:
        """Return `(n, K, h, w)` as measured, moved by whole pixels; a border left bare repeats the plane's edge."""
        if not self.shifts.any():
            return self.stack.read(self.time, box, plane)
        if plane is None:
            return np.concatenate([self.raw(box, i) for i in range(self.n_planes)])
        dy, dx = self.shifts[plane]
        rows = np.clip(np.arange(box.y0 - dy, box.y1 - dy), 0, self.height - 1)
        columns = np.clip(np.arange(box.x0 - dx, box.x1 - dx), 0, self.width - 1)
        bounds = Box(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
        read = self.stack.read(self.time, bounds, plane)
        return read[..., (rows - rows[0])[:, None], columns - columns[0]]

    def usable(self) -> UsablePlanes:
        """Return the planes that are not left out, but all where that are fewer than two: nothing is decided on one."""
        planes = tuple(np.flatnonzero(~self.unusable).tolist())
        return UsablePlanes(whole=self, planes=planes if len(planes) > 1 else tuple(range(self.n_planes)))

    def valid(self, box: Box) -> NDArray[np.bool_] | None:
        """Return `(n, h, w)`: where a plane has a measured value; None where all do.

        False in planes left out, in borders bare after a shift, and at pixels that are not finite.
        """
        if not (self.shifts.any() or self.unusable.any() or self.non_finite.any()):
            return None
        valid = np.empty((self.n_planes, box.height, box.width), dtype=bool)
        for i, (dy, dx) in enumerate(self.shifts):
            rows, columns = np.arange(box.y0 - dy, box.y1 - dy), np.arange(box.x0 - dx, box.x1 - dx)
            inside = np.outer((rows >= 0) & (rows < self.height), (columns >= 0) & (columns < self.width))
            valid[i] = inside & (not self.unusable[i])
            if self.non_finite[i]:
                valid[i] &= np.isfinite(self.raw(box, i)[0]).all(axis=0)
        return valid

    def provenance(self) -> dict[str, Any]:
        """Return what was done to each plane, JSON-able."""
        return {
            "shifts": self.shifts.tolist(),
            "measured_shifts": (np.round(self.measured.measured, 2) + 0.0).tolist(),
            "refused_shifts": list(self.measured.refused),
            "gains": self.gains.tolist(),
            "offsets": self.offsets.tolist(),
            "grey_low": self.scale.low.tolist(),
            "grey_span": self.scale.span.tolist(),
            "left_out_planes": np.flatnonzero(self.unusable).tolist(),
            "non_finite_pixels": self.non_finite.tolist(),
        }

    def _fill(self, box: Box) -> NDArray[np.float32]:
        rows, columns = np.arange(box.y0, box.y1), np.arange(box.x0, box.x1)
        return self.fill[(rows // self.fill_step)[:, None], columns // self.fill_step]


@dataclass(frozen=True, kw_only=True)
class UsablePlanes:
    """What a decider sees of a prepared stack: the planes that are not left out, counted anew; a `GreyPlanes`.

    A stand-in of one grey would tell a network that there is a plane without anything in focus.

    Attributes
    ----------
    whole
        The stack they are of.
    planes
        Their places in it.
    """

    whole: PreparedStack
    planes: tuple[int, ...]

    @property
    def n_planes(self) -> int:
        """Number of usable planes."""
        return len(self.planes)

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.whole.height

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.whole.width

    def grey(self, box: Box, plane: int | None = None) -> NDArray[np.float32]:
        """Return `(m, h, w)` as `PreparedStack.grey` does."""
        return self.whole.grey_of(self.planes if plane is None else [self.planes[plane]], box)

    def valid(self, box: Box) -> NDArray[np.bool_] | None:
        """Return `(m, h, w)` as `PreparedStack.valid` does."""
        valid = self.whole.valid(box)
        return None if valid is None else valid[list(self.planes)]

    def place(self, shares: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return shares of these planes `(m, h, w)` as shares of all `(n, h, w)`."""
        if self.n_planes == self.whole.n_planes:
            return shares
        placed = np.zeros((self.whole.n_planes, *shares.shape[1:]), dtype=shares.dtype)
        placed[list(self.planes)] = shares
        return placed


def prepare(
    stack: FocalStack,
    time: int = 0,
    *,
    register: Register = "off",
    match_illumination: bool = True,
    decide_on: int | str | None = None,
) -> PreparedStack:
    """Look once at every plane of a time point and settle shifts, gains, offsets and the grey scale.

    Raises
    ------
    InputError
        If an option is unknown, or the stack has no channel `decide_on`.
    """
    if register not in ("off", "translation"):
        raise InputError(f"There is no registration {register!r}; choose 'off' or 'translation'.")
    seen = survey(stack, time)
    single = _single_valued(seen, alpha_samples(stack))
    light = _illumination(stack, seen, ~single, match=match_illumination)
    unusable = single | light.unlit
    scale = grey_scale(stack, seen, light.gains, light.offsets, decide_on, ~unusable)
    fill = _fill_values(seen, scale, ~unusable)
    still = np.zeros((stack.n_planes, 2))
    ready = PreparedStack(
        stack=stack,
        time=time,
        shifts=still.astype(np.int64),
        measured=Shifts(measured=still, refused=()),
        gains=light.gains,
        offsets=light.offsets,
        scale=scale,
        unusable=unusable,
        non_finite=seen.non_finite,
        fill=fill,
        fill_step=seen.step,
        notices=(),
    )
    shifts = _measure_shifts(ready, seen, register)
    whole = shifts.whole if register == "translation" else ready.shifts
    notices = (*_notices(ready, light, single, shifts, register), *_notices_of_order(ready, seen, shifts))
    return replace(ready, shifts=whole, measured=shifts, notices=notices)


def _measure_shifts(ready: PreparedStack, seen: Survey, register: Register) -> Shifts:
    usable = ~ready.unusable
    shifts = measure_shifts(lambda i: _known_thumb(ready, seen, i), usable, seen.thumbs.shape[2:], scale=seen.step)
    if register == "off" and shifts.largest <= _NOTABLE_SHIFT:
        return shifts
    # What is applied, or worth a warning, has to raise the correlation at full resolution too.
    whole = ready.stack.whole
    return measure_shifts(lambda i: ready.grey(whole, i)[0], usable, (whole.height, whole.width))


def _known_thumb(ready: PreparedStack, seen: Survey, plane: int) -> NDArray[np.float32]:
    """Return the grey thumbnail of a plane, what is not known of it filled in."""
    values = ready.scale.apply(seen.thumbs[plane], plane)
    return np.where(np.isfinite(values), values, ready.fill)


def _reduced(thumb: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return means of blocks of 4 × 4: enough to tell what is alike, and no second copy of all thumbnails."""
    means = block_reduce(thumb, 4, np.mean)  # type: ignore[no-untyped-call]
    return np.asarray(means, dtype=np.float32)


def _single_valued(seen: Survey, alpha: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return `(n,)`: planes of one single value (closed shutter, dropped frame), unless all are."""
    single = np.asarray(seen.constant[:, ~alpha].all(axis=1))
    return np.zeros_like(single) if single.all() else single


def _illumination(stack: FocalStack, seen: Survey, usable: NDArray[np.bool_], *, match: bool) -> Illumination:
    if not match or stack.dtype.kind == "b":
        return no_match(stack.n_planes, stack.n_values)
    return estimate_illumination(seen.thumbs, usable=usable, skip=alpha_samples(stack))


def _fill_values(seen: Survey, scale: GreyScale, usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return for each block the median over planes of what is known of it, `(th, tw)`; finite."""
    chosen = [int(i) for i in np.flatnonzero(usable)]
    if not seen.non_finite.any():
        thumb = scale.apply(seen.thumbs[chosen[0]], chosen[0])
        return np.full_like(thumb, np.median(thumb))
    thumbs = np.stack([scale.apply(seen.thumbs[i], i) for i in chosen])
    known = np.isfinite(thumbs)
    blind = ~known.any(axis=0)
    level = float(np.median(thumbs[known])) if known.any() else 0.0
    return np.nanmedian(np.where(blind, level, np.where(known, thumbs, np.nan)), axis=0).astype(np.float32)


def _notices(
    ready: PreparedStack, light: Illumination, single: NDArray[np.bool_], shifts: Shifts, register: Register
) -> Iterator[str]:
    stack, non_finite = ready.stack, ready.non_finite
    if single.any():
        yield f"{_planes(np.flatnonzero(single))} of '{stack.name}' hold one single value and are left out."
    if light.unlit.any():
        yield f"{_planes(np.flatnonzero(light.unlit))} of '{stack.name}' have next to no light and are left out."
    if non_finite.any():
        counts = ", ".join(f"plane {i}: {non_finite[i]}" for i in np.flatnonzero(non_finite))
        yield f"'{stack.name}' has pixels that are NaN or infinite ({counts}); they are left out."
    if stack.dtype.kind == "b":
        yield f"'{stack.name}' holds true and false; a fused pixel is what the planes say by weighted majority."
    if stack.dtype.kind in "ui" and stack.dtype.itemsize == 8:
        yield f"'{stack.name}' holds 64-bit integers; values beyond 2^53 are fused to 16 digits."
    if register == "off" and shifts.largest > _NOTABLE_SHIFT:
        yield (
            f"The planes of '{stack.name}' are shifted by up to {shifts.largest:.1f} px against one another; "
            "fuse with register='translation'."
        )
    if register == "translation" and shifts.refused:
        yield (
            f"No shift of {_planes(shifts.refused).lower()} of '{stack.name}' raised the correlation; "
            "they go with their neighbour."
        )


def _notices_of_order(ready: PreparedStack, seen: Survey, shifts: Shifts) -> Iterator[str]:
    # Time points come from one acquisition; and planes that moved may differ more by that than by their focus.
    if ready.time > 0 or shifts.largest > _STEADY:
        return
    small = [_reduced(_known_thumb(ready, seen, plane)) for plane in ready.usable().planes]
    if out_of_order(np.stack(small)):
        yield (
            f"The planes of '{ready.stack.name}' do not seem to stand in the order of z: neighbours are hardly more "
            "alike than any two. Check the order in which they were saved or named."
        )


def _planes(indices: Iterable[int]) -> str:
    return "Planes " + ", ".join(str(int(i)) for i in indices)
