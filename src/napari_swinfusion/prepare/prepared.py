"""One time point made ready: which shift, gain, offset and grey scale each plane gets, read box by box.

Nothing the user gave is changed in place, and no second copy of the stack exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_swinfusion.errors import InputError
from napari_swinfusion.focal_stack import FocalStack
from napari_swinfusion.prepare.illumination import Illumination, estimate_illumination, no_match
from napari_swinfusion.prepare.intensity import GreyScale, alpha_samples, grey_scale
from napari_swinfusion.prepare.registration import Shifts, measure_shifts
from napari_swinfusion.prepare.survey import Survey, survey
from napari_swinfusion.tiling import Box

Register = Literal["off", "translation"]

_NOTABLE_SHIFT = 2.0


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
        planes = range(self.n_planes) if plane is None else [plane]
        grey = np.empty((len(planes), box.height, box.width), dtype=np.float32)
        for row, i in enumerate(planes):
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
            "measured_shifts": np.round(self.measured.measured, 2).tolist(),
            "gains": self.gains.tolist(),
            "offsets": self.offsets.tolist(),
            "grey_low": self.scale.low.tolist(),
            "grey_span": self.scale.span.tolist(),
            "left_out_planes": np.flatnonzero(self.unusable).tolist(),
            "non_finite_pixels": self.non_finite.tolist(),
        }

    def _fill(self, box: Box) -> NDArray[np.float32]:
        rows, columns = np.arange(box.y0, box.y1), np.arange(box.x0, box.x1)
        return self.fill[np.clip(rows // self.fill_step, 0, None)[:, None], columns // self.fill_step]


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
    unusable = _dead_planes(seen, alpha_samples(stack))
    light = _illumination(stack, seen, unusable, match=match_illumination)
    unusable = unusable | light.unlit
    if unusable.all():
        unusable = np.zeros_like(unusable)
    scale = grey_scale(stack, seen, light.gains, light.offsets, decide_on)
    thumbs = np.stack([_grey_thumb(seen, scale, i) for i in range(stack.n_planes)])
    fill = _fill_values(thumbs)
    shifts = measure_shifts(np.where(np.isfinite(thumbs), thumbs, fill), scale=seen.step)
    whole = shifts.whole if register == "translation" else np.zeros_like(shifts.whole)
    return PreparedStack(
        stack=stack,
        time=time,
        shifts=whole,
        measured=shifts,
        gains=light.gains,
        offsets=light.offsets,
        scale=scale,
        unusable=unusable,
        non_finite=seen.non_finite,
        fill=fill,
        fill_step=seen.step,
        notices=(),
    )


def _dead_planes(seen: Survey, alpha: NDArray[np.bool_]) -> NDArray[np.bool_]:
    dead = np.asarray(seen.constant[:, ~alpha].all(axis=1))
    return np.zeros_like(dead) if dead.all() else dead


def _illumination(stack: FocalStack, seen: Survey, unusable: NDArray[np.bool_], *, match: bool) -> Illumination:
    if not match or stack.dtype.kind == "b":
        return no_match(stack.n_planes, stack.n_values)
    return estimate_illumination(seen.thumbs, usable=~unusable, skip=alpha_samples(stack))


def _grey_thumb(seen: Survey, scale: GreyScale, plane: int) -> NDArray[np.float32]:
    return scale.apply(seen.thumbs[plane], plane)


def _fill_values(thumbs: NDArray[np.float32]) -> NDArray[np.float32]:
    known = np.isfinite(thumbs)
    whole = float(np.median(thumbs[known])) if known.any() else 0.0
    blind = ~known.any(axis=0)
    return np.where(blind, whole, np.nanmedian(np.where(blind, whole, thumbs), axis=0)).astype(np.float32)
