"""Values of IEC 61966-2-1, and the way back."""

from __future__ import annotations

import pytest
import torch

from napari_swinfusion.simulation.tone import grey_of, light_of


def test_known_values() -> None:
    light = torch.tensor([0.0, 0.0031308, 0.2140, 1.0])
    assert grey_of(light).tolist() == pytest.approx([0, 0.04045, 0.5000, 1], abs=1e-4)


def test_there_and_back() -> None:
    grey = torch.linspace(-0.05, 1.05, 1101)
    torch.testing.assert_close(grey_of(light_of(grey)), grey, atol=1e-6, rtol=0)
