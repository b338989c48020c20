"""What will be used, how, and what stands against it: told before a training starts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_swinfusion.tiling import Box
from napari_swinfusion.training.data.examples import Data, Example, Problem, collect
from napari_swinfusion.training.data.held_out import FEWEST, count_telling
from napari_swinfusion.training.data.regions import Region, look

HoldOut = Literal["auto", "stacks", "half"]

SMALLEST_SIDE = 48
GAP = 32
"""Px between the half that is learned from and the half that is held out: the blur of one reaches into the other."""

_FEWEST_TO_SPLIT = 3  # Stacks, for holding out whole ones.
_HELD_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One stack, or half of one, and its part in a training.

    Attributes
    ----------
    role
        "training" or "held out".
    box
        Rows and columns `(y0, y1, x0, x1)` that are used.
    painted
        Share of the pixels with a painted label.
    sha256
        First 16 digits of the hash of each plane.
    """

    name: str
    files: tuple[Path, ...]
    role: str
    planes: int
    box: tuple[int, int, int, int]
    dtype: str
    reference: bool
    painted: float
    pixel_size: tuple[float, float] | None
    unit: str
    sha256: tuple[str, ...]


@dataclass(frozen=True)
class DataReport:
    """What a training would use; it does not start while there are `problems`.

    `training` and `held_out` are the regions themselves; `entries` tell about them and are JSON-able by `to_dict`.
    """

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    notices: tuple[str, ...]
    training: tuple[Region, ...] = ()
    held_out: tuple[Region, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, without pixels."""
        entries = [asdict(entry) | {"files": [str(path) for path in entry.files]} for entry in self.entries]
        problems = [{"text": wrong.text, "files": [str(path) for path in wrong.files]} for wrong in self.problems]
        return {"entries": entries, "problems": problems, "notices": list(self.notices)}

    def text(self) -> str:
        """Return the report in lines for a terminal."""
        lines = [
            f"{entry.role:8}  {entry.name}: {entry.planes} planes, "
            f"{entry.box[3] - entry.box[2]} × {entry.box[1] - entry.box[0]} px"
            + (", with reference" if entry.reference else "")
            + (f", {entry.painted:.1%} painted" if entry.painted else "")
            for entry in self.entries
        ]
        lines += [f"note      {notice}" for notice in self.notices]
        lines += [f"problem   {wrong.text}" for wrong in self.problems]
        return "\n".join(lines)


def check_data(
    data: Data,
    *,
    held_out: Data | None = None,
    hold_out: HoldOut = "auto",
    needs_truth: bool = False,
    register: Literal["off", "translation"] = "off",
    seed: int = 0,
) -> DataReport:
    """Look at every plane of the data, settle what is held out, and say what stands against training on it.

    Parameters
    ----------
    data, held_out
        As for `examples.collect`; what is given as `held_out` is only judged on, and nothing else is held out then.
    hold_out
        "stacks" holds out a fifth of the stacks, at least one; "half" the right or lower half of each; "auto" takes
        stacks where there are at least three.
    needs_truth
        Whether the recipe asks for a sharp reference of each stack.
    register
        As in `fuse`.
    """
    examples, problems = collect(data)
    judges, wrong = collect(held_out) if held_out is not None else ([], [])
    problems += wrong
    examples, judges = _named_apart(examples, ()), _named_apart(judges, [example.name for example in examples])
    sound = []
    for example in [*examples, *judges]:
        found = list(_faults(example, needs_truth=needs_truth))
        problems += found
        if not found:
            sound.append(example)
    looked = {example.name: look(example, register=register) for example in sound}
    for name in [name for name, regions in looked.items() if not any(region.detail.any() for region in regions)]:
        files = next(example.files for example in sound if example.name == name)
        problems.append(Problem(f"All planes of '{name}' are constant; there is nothing to learn from.", files))
        del looked[name]
    learn = [example.name for example in examples if example.name in looked]
    judge = [example.name for example in judges if example.name in looked]
    if not learn:
        files = tuple(path for example in examples for path in example.files)
        problems.append(Problem("There is no stack to train on; give at least one of two or more planes.", files))
    training, held = _split(looked, learn, judge, hold_out, seed)
    problems += _duplicates(training, held, {example.name: example for example in sound})
    told = dict.fromkeys(text for regions in looked.values() for region in regions for text in region.ready.notices)
    told |= dict.fromkeys(text for example in sound for text in example.stack.notices)
    if held and (count := count_telling(held)) < FEWEST:
        told[
            f"{count or 'None'} of the held-out crops can tell whether the model is better, but {FEWEST} are needed to "
            "call it so; give larger images or more of them, or others to judge by."
        ] = None
    by_name = {example.name: example for example in sound}
    entries = [_entry(region, "training", by_name) for region in training]
    entries += [_entry(region, "held out", by_name) for region in held]
    return DataReport(tuple(entries), tuple(problems), tuple(told), tuple(training), tuple(held))


def _named_apart(examples: Sequence[Example], taken: Sequence[str]) -> list[Example]:
    names = set(taken)
    result = []
    for example in examples:
        name, number = example.name, 2
        while name in names:
            name, number = f"{example.name} ({number})", number + 1
        names.add(name)
        result.append(example if name == example.name else replace(example, stack=replace(example.stack, name=name)))
    return result


def _faults(example: Example, *, needs_truth: bool) -> list[Problem]:
    stack, found = example.stack, []
    if min(stack.height, stack.width) < SMALLEST_SIDE:
        text = f"'{example.name}' is {stack.width} × {stack.height} px; training needs {SMALLEST_SIDE} px a side."
        found.append(Problem(text, example.files))
    if needs_truth and example.reference is None:
        text = f"'{example.name}' has no sharp reference, which this recipe learns from; choose another recipe."
        found.append(Problem(text, example.files))
    if stack.n_times > 1 and (example.reference is not None or example.painted is not None):
        text = f"'{example.name}' has {stack.n_times} time points, but one reference or painted map; give them apart."
        found.append(Problem(text, example.files))
    return found


def _split(
    looked: dict[str, list[Region]], learn: list[str], judge: list[str], hold_out: HoldOut, seed: int
) -> tuple[list[Region], list[Region]]:
    if judge:
        return [r for name in learn for r in looked[name]], [r for name in judge for r in looked[name]]
    by_stack = hold_out == "stacks" or (hold_out == "auto" and len(learn) >= _FEWEST_TO_SPLIT)
    if by_stack and len(learn) > 1:
        count = max(round(_HELD_SHARE * len(learn)), 1)
        held = set(np.random.default_rng(seed).permutation(learn)[:count].tolist())
        return (
            [region for name in learn if name not in held for region in looked[name]],
            [region for name in learn if name in held for region in looked[name]],
        )
    halves = [_halves(region) for name in learn for region in looked[name]]
    return [half for half, _ in halves], [half for _, half in halves]


def _halves(region: Region) -> tuple[Region, Region]:
    box = region.box
    along_x = box.width >= box.height
    first, last = (box.x0, box.x1) if along_x else (box.y0, box.y1)
    middle, gap = (first + last) // 2, min(GAP, (last - first) // 4) // 2
    if along_x:
        return (
            region.within(Box(box.y0, box.y1, first, middle - gap)),
            region.within(Box(box.y0, box.y1, middle + gap, last)),
        )
    return (
        region.within(Box(first, middle - gap, box.x0, box.x1)),
        region.within(Box(middle + gap, last, box.x0, box.x1)),
    )


def _duplicates(training: list[Region], held: list[Region], examples: dict[str, Example]) -> list[Problem]:
    """Return where a plane that is learned from is also judged on; halves of one image do not count."""
    owners: dict[str, list[Region]] = defaultdict(list)
    for region in training:
        for digest in region.hashes:
            owners[digest].append(region)
    found: dict[tuple[str, str], Problem] = {}
    for region in held:
        for digest in region.hashes:
            for twin in owners[digest]:
                if twin.ready is region.ready:
                    continue
                files = [path for one in (twin, region) for path in examples[_stack_name(one)].files]
                text = f"'{twin.name}' is learned from and '{region.name}' held out, but they hold the same planes."
                found[twin.name, region.name] = Problem(text, tuple(files))
    return list(found.values())


def _stack_name(region: Region) -> str:
    return region.ready.stack.name


def _entry(region: Region, role: str, examples: dict[str, Example]) -> Entry:
    stack = region.ready.stack
    box = region.box
    return Entry(
        name=region.name,
        files=examples[stack.name].files,
        role=role,
        planes=stack.n_planes,
        box=(box.y0, box.y1, box.x0, box.x1),
        dtype=str(stack.dtype),
        reference=region.truth is not None,
        painted=0.0 if region.painted is None else round(float((region.painted[box.slices] > 0).mean()), 4),
        pixel_size=stack.metadata.pixel_size,
        unit=stack.metadata.unit,
        sha256=tuple(digest[:16] for digest in region.hashes),
    )
