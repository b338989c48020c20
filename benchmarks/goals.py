"""What the default network has to reach, and whether the kept results say that it does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from napari_swinfusion.decide.registry import COMPARATORS

NETWORK = "default"


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One promise: what was asked, what was measured."""

    what: str
    asked: float
    measured: float
    at_least: bool
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the measured value is no worse than the asked one."""
        return self.measured >= self.asked if self.at_least else self.measured <= self.asked

    def row(self) -> tuple[str, str, str, str]:
        """Return the goal as a line of a table."""
        sign = "≥" if self.at_least else "≤"
        unit = f" {self.unit}" if self.unit else ""
        digits = 4 if abs(self.asked) < 1 and not self.unit else 2
        return (
            self.what,
            f"{sign} {self.asked:.{digits}f}{unit}",
            f"{self.measured:.{digits}f}{unit}",
            "yes" if self.met else "no",
        )


def check_goals(kept: dict[str, Any]) -> list[Goal]:
    """Return all goals that the parts measured so far can tell of."""
    checks = {
        "simulated": _simulated,
        "background": _background,
        "pairs": _pairs,
        "spread": _spread,
        "lamp": _lamp,
        "robustness": _robustness,
        "real": _real,
    }
    return [goal for name, check in checks.items() if name in kept for goal in check(kept[name])]


def _simulated(results: dict[str, Any]) -> Iterator[Goal]:
    for level, lead in (("20000", 3.0), ("2000", 6.0), ("500", 5.0)):
        found = results["levels"][level]["lead"][NETWORK]["over the best comparator"]["of means"]
        what = f"Lead over the best comparator, {int(level):,} photons"
        yield Goal(what=what, asked=lead, measured=found, at_least=True, unit="dB")
    worst = min(
        min(level["lead"][NETWORK]["over the best classical method"]["by preset"].values())
        for level in results["levels"].values()
    )
    what = "Lead over the best classical method (the mean and our own included), worst preset and light"
    yield Goal(what=what, asked=0.0, measured=worst, at_least=True, unit="dB")
    for level, most in (("20000", 0.4), ("500", 1.0)):
        found = results["levels"][level]["methods"][NETWORK]["depth-error textured"]["mean"]
        what = f"Error of the depth map on textured pixels, {int(level):,} photons"
        yield Goal(what=what, asked=most, measured=found, at_least=False, unit="planes")


def _background(results: dict[str, Any]) -> Iterator[Goal]:
    levels = [level for level in results if level.isdecimal()]
    over = max(results[level]["methods"][NETWORK]["sd over the best plane"]["mean"] for level in levels)
    what = "Flat background: deviation over that of the best plane, worst light"
    yield Goal(what=what, asked=1.0, measured=over, at_least=False, unit="times")
    steps = max(results[level]["methods"][NETWORK]["steps"]["mean"] for level in levels)
    yield Goal(
        what="Flat background: steps in the decision map, worst light", asked=0.01, measured=steps, at_least=False
    )


def _pairs(results: dict[str, Any]) -> Iterator[Goal]:
    psnr = results["nyud"][NETWORK]["psnr"]["mean"]
    yield Goal(what="NYU-D rows, PSNR", asked=53.0, measured=psnr, at_least=True, unit="dB")
    for folder, title in (("lytro", "Lytro"), ("mfi_whu", "MFI-WHU")):
        best = max(results[folder][name]["qabf"]["mean"] for name in COMPARATORS)
        for name, blend in ((NETWORK, "soft"), (f"{NETWORK}, hard", "hard")):
            found = results[folder][name]["qabf"]["mean"]
            yield Goal(
                what=f"{title} rows, Qabf, {blend}, against the best comparator",
                asked=best,
                measured=found,
                at_least=True,
            )


def _spread(results: dict[str, Any]) -> Iterator[Goal]:
    for level in ("noise-free", "20000"):
        light = f"{int(level):,} photons" if level.isdecimal() else level
        what = f"RMSE round occlusion edges over that of the best comparator, {light}"
        yield Goal(what=what, asked=0.85, measured=results[level]["ratio"][NETWORK], at_least=False)


def _lamp(results: dict[str, Any]) -> Iterator[Goal]:
    lost = max(results[level]["methods"][NETWORK]["loss"]["mean"] for level in results if level.isdecimal())
    yield Goal(what="5 % lamp drift, PSNR lost, worst light", asked=0.2, measured=lost, at_least=False, unit="dB")


def _robustness(results: dict[str, Any]) -> Iterator[Goal]:
    for harm, rows in results["harms"].items():
        if harm == "unharmed":
            continue
        told = harm == "shuffled"  # What has no right order costs something: then that has to be said.
        lost = rows[NETWORK]["untold loss" if told else "loss"]["mean"]
        what = f"PSNR lost{' without a notice' if told else ''}: {harm}"
        yield Goal(what=what, asked=0.1, measured=lost, at_least=False, unit="dB")
    ahead = min(found[NETWORK] - found["best comparator"] for found in results["lengths"].values())
    what = "2 to 60 planes: lead over the best comparator, worst number"
    yield Goal(what=what, asked=0.0, measured=ahead, at_least=True, unit="dB")


def _real(results: dict[str, Any]) -> Iterator[Goal]:
    methods = results["zstack_organoid_bf_A01"]["methods"]
    told_apart = {
        "objects": "as it is, {} of all objects",
        "objects less noise": "less noise, {} of all objects, debris and fibres too",
        "large less noise": "less noise, {} of the organoids",
    }
    for name, blend in ((NETWORK, "soft"), (f"{NETWORK}, hard", "hard")):
        for key, what in told_apart.items():
            for which in ("mean", "least"):
                if key in methods.get(name, {}):
                    told = f"Organoid stack, {blend}, Tenengrad over the sharpest plane's, {what.format(which)}"
                    yield Goal(what=told, asked=0.98, measured=methods[name][key][which], at_least=True)
