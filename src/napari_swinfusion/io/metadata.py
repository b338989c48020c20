"""What a TIFF says about space, time and channels, brought to micrometres and seconds.

Three voices, in order of trust: the OME-XML, the ImageJ description, the resolution tags.
"""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import tifffile

from napari_swinfusion.focal_stack import SpatialMetadata

_MICROMETRES = {
    "m": 1e6,
    "dm": 1e5,
    "cm": 1e4,
    "centimeter": 1e4,
    "mm": 1e3,
    "millimeter": 1e3,
    "um": 1.0,
    "micron": 1.0,
    "micrometer": 1.0,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "å": 1e-4,
    "angstrom": 1e-4,
    "pm": 1e-6,
    "inch": 25400.0,
    "in": 25400.0,
}
_SECONDS = {"h": 3600.0, "hour": 3600.0, "min": 60.0, "minute": 60.0, "s": 1.0, "sec": 1.0, "second": 1.0, "ms": 1e-3}
# Screens and printers, not microscopes: a file without a scale carries one of these.
_PRINT_DPI = (72, 96, 100, 150, 200, 240, 300, 400, 600, 1200)


@dataclass(frozen=True, kw_only=True)
class OmeFacts:
    """The first image of an OME-XML that describes pixels.

    `known` holds fields of `SpatialMetadata`; `positions` the stage height of each plane of the first channel
    and time point, as the file gives them.
    """

    known: dict[str, Any]
    positions: tuple[float, ...]


def micrometres(value: float | str | None, unit: str | None) -> float | None:
    """Return a positive length in µm, or None where `value` or `unit` do not give one."""
    return _converted(value, unit, _MICROMETRES)


def seconds(value: float | str | None, unit: str | None) -> float | None:
    """Return a positive time in s, or None where `value` or `unit` do not give one."""
    return _converted(value, unit, _SECONDS)


def read_metadata(tif: tifffile.TiffFile) -> SpatialMetadata:
    """Return what the open `tif` says about pixel size, z step, time step and channel names."""
    known = _from_tags(tif.pages.first) | _from_imagej(tif.imagej_metadata)
    facts = read_ome(tif.ome_metadata)
    return SpatialMetadata(**(known | (facts.known if facts else {})))


def read_ome(xml: str | None) -> OmeFacts | None:
    """Return the facts of an OME-XML, or None where there are none or it is broken."""
    try:
        root = ElementTree.fromstring(xml) if xml else None
    except ElementTree.ParseError:
        return None
    pixels = next(_children(root, "Pixels", deep=True), None) if root is not None else None
    if pixels is None:
        return None
    sizes = [
        micrometres(pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "um")) for axis in "YX"
    ]
    planes = (
        (int(plane.get("TheZ", 0)), _number(plane.get("PositionZ")))
        for plane in _children(pixels, "Plane")
        if plane.get("TheC") == plane.get("TheT") == "0"
    )
    positions = tuple(position for _, position in sorted(planes, key=lambda item: item[0]) if position is not None)
    z_step = micrometres(pixels.get("PhysicalSizeZ"), pixels.get("PhysicalSizeZUnit", "um"))
    names = tuple(channel.get("Name", "") for channel in _children(pixels, "Channel"))
    known = {
        "pixel_size": tuple(sizes) if all(sizes) else None,
        "z_step": z_step or even_step(positions),
        "time_step": seconds(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s")),
        "channel_names": names if all(names) else (),
    }
    return OmeFacts(known={key: value for key, value in known.items() if value}, positions=positions)


def even_step(positions: tuple[float, ...]) -> float | None:
    """Return the distance of evenly spaced `positions` (to 2 %), or None."""
    steps = [b - a for a, b in itertools.pairwise(positions)]
    if not steps:
        return None
    mean = sum(steps) / len(steps)
    even = mean != 0 and all(abs(step - mean) <= 0.02 * abs(mean) for step in steps)
    return abs(mean) if even else None


def _from_imagej(description: dict[str, Any] | None) -> dict[str, Any]:
    """Read an ImageJ description; its pixel size is in the tags, counted in its own unit."""
    if not description:
        return {}
    known: dict[str, Any] = {
        "z_step": micrometres(description.get("spacing"), description.get("unit")),
        "time_step": seconds(description.get("finterval"), description.get("tunit", "s")),
    }
    labels = description.get("Labels", [])
    if len(labels) == description.get("channels"):
        known["channel_names"] = tuple(labels)
    return {key: value for key, value in known.items() if value}


def _from_tags(page: tifffile.TiffPage) -> dict[str, Any]:
    """Read the resolution tags, unless they only say how to print."""
    tif = page.parent
    unit = {2: "inch", 3: "cm"}.get(page.tags.valueof("ResolutionUnit", 2))
    if tif.imagej_metadata:
        unit = tif.imagej_metadata.get("unit", unit)
    sizes = []
    for name in ("YResolution", "XResolution"):
        numerator, denominator = page.tags.valueof(name) or page.tags.valueof("XResolution") or (0, 1)
        size = micrometres(denominator / numerator, unit) if numerator else None
        if size is None or (unit in ("inch", "cm") and _is_print_resolution(size)):
            return {}
        sizes.append(size)
    return {"pixel_size": tuple(sizes)}


def _is_print_resolution(size: float) -> bool:
    dpi = _MICROMETRES["inch"] / size
    return any(abs(dpi - preset) < 0.005 * preset for preset in _PRINT_DPI)


def _children(element: ElementTree.Element, tag: str, *, deep: bool = False) -> Iterator[ElementTree.Element]:
    """Yield the children (or all descendants) named `tag` in any namespace, as schemas differ by year."""
    return (child for child in (element.iter() if deep else element) if child.tag.rpartition("}")[2] == tag)


def _converted(value: float | str | None, unit: str | None, table: dict[str, float]) -> float | None:
    number = _number(value)
    factor = table.get(_plain(unit)) if unit else None
    return number * factor if factor and number and number > 0 else None


def _plain(unit: str) -> str:
    # ImageJ writes 'µ' as the six characters \u00B5; Unicode has two of it; British and American spelling differ.
    unit = unicodedata.normalize("NFKC", unit.strip().replace("\\u00B5", "µ")).lower().replace("μ", "u")
    return unit.replace("metre", "meter").rstrip("s") if len(unit) > 2 else unit


def _number(value: float | str | None) -> float | None:
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
