"""Put a trained model into the package: `python tools/ship_model.py runs/default default --summary "..."`.

The header of the shipped file tells the model's story: what it is for, how it was trained and on which textures, and
how the loss fell; `--quality` adds the numbers of the quality benchmark.

A network that was trained further gains where it was trained and loses a little elsewhere; the mean of its weights and
of those it started from keeps most of the gain and little of the loss (arXiv 2109.01903): `--mean-with`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from napari_swinfusion.training.events import read_events
from napari_swinfusion.weights import read_header, read_model, save_model, sha256_of
from napari_swinfusion.weights.catalogue import SUFFIX, shipped_folder


def main() -> None:
    """Read the run's model, complete its story and write it where `list_networks` finds it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of the training run")
    parser.add_argument("name", help="name of the shipped model")
    parser.add_argument("--summary", required=True, help="one line for menus")
    parser.add_argument("--mean-with", type=Path, help="model file the run started from, to ship the mean of both")
    parser.add_argument("--quality", type=Path, help="JSON that a part of benchmarks.quality wrote")
    options = parser.parse_args()

    source = options.run / f"model{SUFFIX}"
    story = {"summary": options.summary, **read_header(source)["story"]}
    story["log"] = [line for line in read_events(options.run) if line.get("event", "progress") == "progress"]
    network = read_model(source)
    if options.mean_with:
        started, learned = read_model(options.mean_with).state_dict(), network.state_dict()
        network.load_state_dict({name: (started[name] + learned[name]) / 2 for name in learned})
        story["mean with"] = {"sha256": sha256_of(options.mean_with), "story": read_header(options.mean_with)["story"]}
    if options.quality:
        story["quality"] = json.loads(options.quality.read_text())
    save_model(network, shipped_folder() / f"{options.name}{SUFFIX}", story)


if __name__ == "__main__":
    main()
