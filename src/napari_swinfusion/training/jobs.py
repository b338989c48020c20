"""A fine-tuning that another process can do: its data and settings in a run folder.

A watcher such as a window calls `write_job`, starts `python -m napari_swinfusion.training RUN` and reads the events;
the same command resumes the run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_swinfusion.errors import LoadError
from napari_swinfusion.io import read_stack, write_stack, write_text
from napari_swinfusion.training.data.examples import Example, attach, read_image
from napari_swinfusion.training.events import Report, Wish
from napari_swinfusion.training.finetuning import check, run_finetuning
from napari_swinfusion.training.results import Finetuned
from napari_swinfusion.training.settings import FinetuneConfig

JOB = "job.json"


def write_job(
    folder: Path, examples: Sequence[Example], config: FinetuneConfig, target: Path, *, held_out: Sequence[Example] = ()
) -> Path:
    """Write a job into its run folder and return that; images that are in no file are written beside it.

    Parameters
    ----------
    target
        The model to be, from `results.model_path`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    job = {
        "config": config.to_dict(),
        "target": str(target),
        "data": [_record(folder, f"data-{i}", example) for i, example in enumerate(examples)],
        "held_out": [_record(folder, f"held-out-{i}", example) for i, example in enumerate(held_out)],
    }
    write_text(folder / JOB, json.dumps(job, indent=1))
    return folder


def run_job(
    folder: Path, *, report: Report | None = None, wish: Callable[[], Wish] = lambda: "resume"
) -> Finetuned | None:
    """Do the fine-tuning of a run folder, or go on with it; see `finetuning.run_finetuning`.

    Raises
    ------
    LoadError
        If the folder holds no job.
    """
    try:
        job = json.loads((folder / JOB).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise LoadError(f"{folder} holds no whole {JOB}; it is no run folder of a fine-tuning.") from error
    config = FinetuneConfig.from_dict(job["config"])
    data, held_out = ([_example(record) for record in job[part]] for part in ("data", "held_out"))
    return run_finetuning(
        check(data, config, held_out or None), config, Path(job["target"]), folder, report=report, wish=wish
    )


def _record(folder: Path, name: str, example: Example) -> dict[str, Any]:
    record: dict[str, Any] = {"name": example.name, "files": [str(path.absolute()) for path in example.files]}
    if not example.files:
        path = write_stack(replace(example.stack, source=None), folder / f"{name}.ome.tif", overwrite=True)
        record["files"] = [str(path)]
    for part in ("reference", "painted"):
        image = getattr(example, part)
        if image is not None:
            path = folder / f"{name}-{part}.tif"
            photometric = "rgb" if image.ndim == 3 else "minisblack"
            tifffile.imwrite(path, np.ascontiguousarray(image), photometric=photometric)
            record[part] = str(path)
    return record


def _example(record: dict[str, Any]) -> Example:
    files = tuple(Path(path) for path in record["files"])
    stack = read_stack(files[0] if len(files) == 1 else files)
    example = Example(stack=replace(stack, name=record["name"]), files=files)
    for part in ("reference", "painted"):
        if part in record:
            example = attach(example, part, read_image(Path(record[part])))
    return example
