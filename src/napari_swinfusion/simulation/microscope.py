"""A microscope in the units of its data sheet; what blurs, and how fast, follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_swinfusion.errors import ConfigError

Spread = Literal["wave", "disk", "gaussian"]


@dataclass(frozen=True, kw_only=True)
class Microscope:
    """An objective before a camera that is focused step by step.

    Attributes
    ----------
    numerical_aperture, refractive_index
        Of the objective and of the medium before it; the aperture is the smaller.
    wavelength
        Of the light in vacuum, µm.
    magnification, camera_pixel
        Objective and camera: a pixel of the image is `camera_pixel / magnification` µm of the specimen.
    z_step
        Between planes, µm.
    spread
        How a point out of focus looks: "wave" (scalar wave optics), "disk" (geometric optics) or "gaussian".
    spherical
        Spherical aberration at the rim of the pupil, waves; for "wave" alone.
    softness
        For "disk" and "gaussian": blur radius in focus, px, added in square; wave optics needs none.
    coherence
        Aperture of the illumination over that of the objective: the smaller, the stronger phase objects show.

    Raises
    ------
    ConfigError
        If a length is not positive or the aperture is not smaller than the refractive index.
    """

    numerical_aperture: float = 0.3
    refractive_index: float = 1.0
    wavelength: float = 0.55
    magnification: float = 10.0
    camera_pixel: float = 6.5
    z_step: float = 8.0
    spread: Spread = "wave"
    spherical: float = 0.0
    softness: float = 0.0
    coherence: float = 0.6

    def __post_init__(self) -> None:
        lengths = (self.numerical_aperture, self.wavelength, self.magnification, self.camera_pixel, self.z_step)
        if min(lengths) <= 0 or self.numerical_aperture >= self.refractive_index:
            raise ConfigError(
                "A microscope needs lengths above 0 and a numerical aperture below the refractive index, not "
                f"{self.numerical_aperture} in a medium of {self.refractive_index}."
            )
        if self.spread not in ("wave", "disk", "gaussian"):
            raise ConfigError(f"There is no spread '{self.spread}'; choose 'wave', 'disk' or 'gaussian'.")

    @property
    def pixel_size(self) -> float:
        """Side of a pixel in the specimen, µm."""
        return self.camera_pixel / self.magnification

    @property
    def depth_of_field(self) -> float:
        """Depth, µm, over which wave optics calls a point sharp: λ n / NA² (a quarter of a wave either way)."""
        return self.wavelength * self.refractive_index / self.numerical_aperture**2

    @property
    def sampling(self) -> float:
        """Pixel over λ / NA: below 0.25 the camera resolves all that the objective does."""
        return self.pixel_size * self.numerical_aperture / self.wavelength

    def waves(self, distance: float) -> float:
        """Return the defocus W20, waves at the rim of the pupil, at a `distance` from focus, µm."""
        return distance / (2 * self.depth_of_field)

    def blur_radius(self, distance: float) -> float:
        """Return the radius, px, of the paraxial disk of a point at a `distance` from focus, µm."""
        return abs(distance) * self.numerical_aperture / (self.refractive_index * self.pixel_size)
