"""Illumination: what a lamp costs that drifts by 5 % from plane to plane."""

from __future__ import annotations

from typing import Any

from benchmarks.methods import FALLBACK, Contest, table
from benchmarks.scenes import Textures, scenes
from benchmarks.simulated import judge

DRIFT = 0.05
PHOTONS = (20_000, 2_000)
PLANES = (9,)


def measure(contest: Contest, textures: Textures) -> dict[str, Any]:
    """Return by photon level the PSNR (dB) that a drift of up to 5 % either way costs, against a steady lamp.

    The same scenes are taken twice; the illumination match runs on both.
    """
    few = Contest(networks=contest.networks, classical=("mean", FALLBACK))
    levels = {}
    for photons in PHOTONS:
        rows: dict[str, list[dict[str, float]]] = {}
        for scene in scenes(planes=PLANES):
            steady, drifting = (scene.take(photons, textures, lamp_drift=drift) for drift in (0.0, DRIFT))
            before, after = few.fuse(steady.stack), few.fuse(drifting.stack)
            for name in before:
                lost = judge(before[name], steady)["psnr"] - judge(after[name], drifting)["psnr"]
                rows.setdefault(name, []).append({"loss": lost})
        levels[str(photons)] = {"methods": table(rows)}
    return levels
