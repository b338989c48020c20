"""Whether a fine-tuned model is better than its base: held-out crops decide, and doubt counts against it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from napari_swinfusion.networks import FusionNetwork
from napari_swinfusion.training.data.held_out import FEWEST, TELLING, HeldOutCrop, Scores, fuse_crop, score

CONFIDENCE = 0.95

# What has to be gained on average to count, and what may be lost before a loss counts, dB.
LEAST_GAIN = {"psnr": 0.05, "detail": 0.1, "fidelity": 0.2, "quiet": 0.5}
LEAST_LOSS = {"psnr": 0.0, "detail": 0.0, "fidelity": 0.3, "quiet": 1.0}


@dataclass(frozen=True)
class Gain:
    """The mean of paired differences, after less before, and the bounds of its 95 % interval, dB."""

    mean: float
    lower: float
    upper: float
    units: int


@dataclass(frozen=True)
class Judgement:
    """The verdict.

    Attributes
    ----------
    accepted
        Whether the model may be called better.
    reason
        One sentence.
    before, after
        Mean of each score over the held-out crops.
    gain
        Paired over crops, or over the means of stacks where at least four were held out.
    unit
        "stack" or "crop": what the spread of `gain` is over.
    """

    accepted: bool
    reason: str
    before: Scores
    after: Scores
    gain: dict[str, Gain]
    unit: str


def scores_of(network: FusionNetwork, crops: Sequence[HeldOutCrop]) -> list[Scores]:
    """Return the scores of each crop."""
    return [score(fuse_crop(network, crop).image[0].numpy(), crop) for crop in crops]


def judge(before: Sequence[Scores], after: Sequence[Scores], crops: Sequence[HeldOutCrop]) -> Judgement:
    """Compare the scores of the same crops before and after.

    Better is a model of which at least one score is clearly better (its interval lies above 0 and its mean gain is
    worth naming) and none clearly worse (its interval lies below the loss that does not matter). All else is not; where
    too few crops show what is sharp, nothing is said.
    """
    stacks = {crop.stack for crop in crops}
    unit = "stack" if len(stacks) >= FEWEST else "crop"
    names = [name for name in LEAST_GAIN if any(name in scores for scores in after)]
    gain = {}
    for name in names:
        pairs = [
            (crop.stack if unit == "stack" else i, new[name] - old[name])
            for i, (old, new, crop) in enumerate(zip(before, after, crops, strict=True))
            if name in old and name in new
        ]
        if len({of for of, _ in pairs}) > 1:
            gain[name] = _interval(pairs)
    accepted, reason = _verdict(gain, unit)
    return Judgement(accepted, reason, means(before), means(after), gain, unit)


def means(scores: Sequence[Scores]) -> Scores:
    """Return the mean of each score over the crops that have it."""
    names = dict.fromkeys(name for one in scores for name in one)
    return {name: round(float(np.mean([one[name] for one in scores if name in one])), 4) for name in names}


def merit(scores: Scores, base: Scores) -> float:
    """Return one number for choosing among the weights of a run, dB above the base: what `judge` will ask, in short."""
    gains = {name: scores[name] - base[name] for name in base if name in scores}
    if "psnr" in gains:
        return gains["psnr"]
    lost = sum(min(gain + LEAST_LOSS[name], 0.0) for name, gain in gains.items())
    return gains.get("detail", 0.0) + lost


def _interval(pairs: Sequence[tuple[str | int, float]]) -> Gain:
    by_unit: dict[str | int, list[float]] = defaultdict(list)
    for unit, difference in pairs:
        by_unit[unit].append(difference)
    values = np.array([np.mean(differences) for differences in by_unit.values()])
    half = stats.t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    mean = float(values.mean())
    return Gain(round(mean, 4), round(mean - float(half), 4), round(mean + float(half), 4), len(values))


def _verdict(gain: dict[str, Gain], unit: str) -> tuple[bool, str]:
    enough = {name: found for name, found in gain.items() if found.units >= FEWEST}
    if not any(name in enough for name in TELLING):
        return False, (
            f"Nothing could be judged: at least {FEWEST} held-out {unit}s have to show something sharp; "
            "hold out larger images or more of them."
        )
    worse = [name for name, found in enough.items() if found.upper < -LEAST_LOSS[name]]
    if worse:
        return False, f"It is worse than its base on held-out images: {_told(enough, worse, unit)}."
    better = [name for name, found in enough.items() if found.lower > 0 and found.mean >= LEAST_GAIN[name]]
    if better:
        return True, f"It is better than its base on held-out images: {_told(enough, better, unit)}."
    return False, f"It is not clearly better than its base on held-out images: {_told(enough, list(enough), unit)}."


def _told(gain: dict[str, Gain], names: Sequence[str], unit: str) -> str:
    return "; ".join(
        f"{name} {gain[name].mean:+.2f} dB ({gain[name].lower:+.2f} to {gain[name].upper:+.2f}, "
        f"{gain[name].units} {unit}{'s' if gain[name].units > 1 else ''})"
        for name in names
    )
