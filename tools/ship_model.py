"""Put a trained model into the package: `python tools/ship_model.py runs/default default --summary "..."`.

The header of the shipped file tells the model's story: what it is for, how it was trained and on which textures, and
how the loss fell; `--quality` adds the numbers of the quality benchmark.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from napari_swinfusion.training.events import read_events
from napari_swinfusion.weights import read_header, read_model, save_model
from napari_swinfusion.weights.catalogue import SUFFIX, shipped_folder


def main() -> None:
    """Read the run's model, complete its story and write it where `list_networks` finds it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of the training run")
    parser.add_argument("name", help="name of the shipped model")
    parser.add_argument("--summary", required=True, help="one line for menus")
    parser.add_argument("--quality", type=Path, help="JSON that a part of benchmarks.quality wrote")
    options = parser.parse_args()

    source = options.run / f"model{SUFFIX}"
    story = {"summary": options.summary, **read_header(source)["story"]}
    story["log"] = [line for line in read_events(options.run) if line.get("event", "progress") == "progress"]
    if options.quality:
        story["quality"] = json.loads(options.quality.read_text())
    save_model(read_model(source), shipped_folder() / f"{options.name}{SUFFIX}", story)


if __name__ == "__main__":
    main()
