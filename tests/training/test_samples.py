from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_swinfusion.simulation.scene import Painter
from napari_swinfusion.training import samples
from napari_swinfusion.training.pretraining import SimulatedStacks
from napari_swinfusion.training.samples import draw_batch, draw_length
from napari_swinfusion.training.textures import bundled_textures, file_textures


@pytest.fixture(scope="module")
def textures() -> dict[str, Tensor]:
    return bundled_textures()


def test_samples_are_what_a_network_will_meet(textures: dict[str, Tensor]) -> None:
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(12):
        n = draw_length(generator)
        batch = draw_batch(generator, n=n, size=48, planes_per_step=12, textures=list(textures.values()))
        b, _, h, w = batch.planes.shape
        seen.add(n)
        assert batch.planes.shape[1] == n
        assert (h, w) == (48, 48)
        assert 2 <= n <= 32
        assert batch.clean.shape == batch.planes.shape
        assert batch.truth.shape == (b, h, w)
        assert all(torch.isfinite(part).all() for part in (batch.planes, batch.clean, batch.truth, batch.noise))
        assert -2 < batch.planes.median() < 2
    assert len(seen) > 3


def test_a_specimen_is_taken_several_times(textures: dict[str, Tensor]) -> None:
    generator = torch.Generator().manual_seed(0)
    batch = draw_batch(generator, n=3, size=48, planes_per_step=15, textures=list(textures.values()), takes=2)

    def alike(images: Tensor) -> list[float]:
        return [abs(float(torch.corrcoef(images[i : i + 2].flatten(1))[0, 1])) for i in range(len(images) - 1)]

    assert len(batch.planes) == 5
    first, across, second, _ = alike(batch.truth)
    assert min(first, second) > 0.9 > across
    # The light, the camera and its noise are others each time.
    assert max(alike((batch.planes - batch.clean).mean(1))) < 0.5
    assert len(set(batch.noise.tolist())) == 5


def test_pairs_of_photographs_are_drawn_as_often_as_asked(textures: dict[str, Tensor]) -> None:
    generator = torch.Generator().manual_seed(0)
    stacks = SimulatedStacks(list(textures.values()), pairs=0.5)
    batches = [stacks.draw(generator, 3, 32, 6) for _ in range(24)]
    pairs = [batch for batch in batches if batch.planes.shape[1] == 2]
    assert 6 <= len(pairs) <= 18
    assert all(batch.noise.max() < 0.01 for batch in pairs)
    assert any(batch.noise.max() > 0.01 for batch in batches)


def test_half_of_the_pairs_are_made_of_one_image(textures: dict[str, Tensor]) -> None:
    """In these the plane in focus is the truth up to the edge, as in public pairs; light does not spread over it."""
    generator = torch.Generator().manual_seed(0)
    batch = draw_batch(generator, n=2, size=48, planes_per_step=48, textures=list(textures.values()), photographs=True)
    assert batch.distance is not None
    best = batch.clean.gather(1, batch.distance.argmin(1, keepdim=True))[:, 0]
    made = (best - batch.truth).abs().amax((-2, -1)) == 0
    assert 6 <= made.sum() <= 18
    blurred = (batch.clean.mean(1) - batch.truth).abs().mean((-2, -1))[made]
    assert blurred.median() > 1e-3
    assert blurred.min() > 1e-5


def test_blur_of_a_photograph_mixes_light_and_is_brighter_than_mixed_grey_levels(
    textures: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    def see(share: float, *, photographs: bool = True) -> list[samples._Seen]:
        monkeypatch.setattr(samples, "TONED_SHARE", share)
        painters = [Painter(128, 128, torch.Generator().manual_seed(k), list(textures.values())) for k in range(8)]
        return [samples._see(painter, 2, (), photographs=photographs) for painter in painters]

    for micrograph, again in zip(see(0.0, photographs=False), see(1.0, photographs=False), strict=True):
        assert torch.equal(micrograph.planes, again.planes)
    for plain, toned in zip(see(0.0), see(1.0), strict=True):
        assert torch.equal(plain.depth, toned.depth)
        # The truth has no blur but that of the lens in focus.
        assert (toned.truth - plain.truth).abs().mean() < (toned.planes - plain.planes).abs().mean()
        assert toned.planes.mean() > plain.planes.mean() + 1e-4


def test_samples_tell_whether_light_adds_up(textures: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    for preset, opaque in (("cytology", True), ("organoid-fluorescence", False)):
        monkeypatch.setattr(samples, "SHARES", {preset: 1.0})
        batch = draw_batch(
            torch.Generator().manual_seed(0), n=2, size=32, planes_per_step=8, textures=list(textures.values())
        )
        assert batch.opaque is not None
        assert batch.opaque.tolist() == [opaque] * 4


def test_what_moves_is_true_where_the_plane_shows_it_that_has_it_in_focus(
    textures: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way that things move changes the planes, but not the truth, which some plane shows nearly everywhere."""
    monkeypatch.setattr(samples, "STRANDS_SHARE", 1.0)
    monkeypatch.setattr(samples, "MOVING_SHARE", 1.0)
    # A mix of its own: how often training draws each specimen does not choose these scenes.
    monkeypatch.setattr(samples, "SHARES", dict(zip(samples.SHARES, (0.2, 0.14, 0.12, 0.12, 0.2, 0.22), strict=True)))

    def see(way: float) -> list[samples._Seen]:
        monkeypatch.setattr(samples, "WAY", (way, way))
        painters = [Painter(128, 128, torch.Generator().manual_seed(k), list(textures.values())) for k in range(8)]
        return [samples._see(painter, 3, (), photographs=False) for painter in painters]

    off = []
    for still, moving in zip(see(1e-6), see(5.0), strict=True):
        assert torch.equal(still.truth, moving.truth)
        assert (still.planes - moving.planes).abs().max() > 0.05
        inner = moving.planes[:, samples.MARGIN : -samples.MARGIN, samples.MARGIN : -samples.MARGIN]
        off.append(float((inner - moving.truth).abs().amin(0).quantile(0.9)))
    assert np.median(off) < 0.02


def test_textures_come_from_files_too(real_data: Path) -> None:
    found = file_textures(
        [real_data / "micro_sharp" / "skimage_coins.png", real_data / "micro_sharp" / "BPAE_actin_float32.tif"]
    )
    for texture in found.values():
        assert texture.dtype == torch.float32
        assert texture.ndim == 2
        assert texture.min() >= 0
        assert texture.max() <= 1
        assert texture.std() > 0.02
