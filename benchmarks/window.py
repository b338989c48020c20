"""Measure how the window turns while it fuses and while it trains: `python -m benchmarks.window`.

A timer ticks in the event loop of a real napari window; the gaps between its ticks are the time in which the window
heard nobody. It is measured idle, while a hand turns the planes, while the Fuse dock fuses 10 planes of 1024 × 1024 px,
and while the Train dock trains and the hand turns planes again. Without a screen it opens under a virtual one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.setting import RESULTS, ROOT, describe_setting, save
from napari_swinfusion.simulation import simulate

SCREEN = (1280, 720)
PLANES, SIDE = 10, 1024
LEAVES, LEAF_SIDE = 3, 128
TICK_MS, HAND_MS, FRAME_MS = 2, 200, 60
MINUTES = 0.7
PATIENCE_SECONDS = 1200.0


class Ticks:
    """When a timer of the event loop came round, and when each result layer was drawn anew."""

    def __init__(self, viewer: Any) -> None:
        from qtpy.QtCore import Qt, QTimer

        self._viewer = viewer
        self._ticks: list[float] = []
        self._redrawn: dict[str, list[float]] = {}
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._hand = QTimer()
        self._hand.timeout.connect(self._turn_plane)
        viewer.layers.events.inserted.connect(self._watch)

    def during(
        self, condition: Callable[[], bool], *, hand: bool, start: Callable[[], object] = lambda: None
    ) -> dict[str, float]:
        """Turn the loop from `start` while `condition` holds, with a `hand` on the plane slider or none.

        Return the gaps between its turns, ms.

        Raises
        ------
        TimeoutError
            If it does not end.
        """
        from qtpy.QtCore import QEventLoop, QTimer

        loop = QEventLoop()
        limit = time.monotonic() + PATIENCE_SECONDS
        watch = QTimer()
        watch.timeout.connect(lambda: None if condition() and time.monotonic() < limit else loop.quit())
        watch.start(250)
        self._ticks = []
        self._timer.start(TICK_MS)
        QTimer.singleShot(100, start)
        if hand:
            self._hand.start(HAND_MS)
        loop.exec()
        for timer in (watch, self._timer, self._hand):
            timer.stop()
        if time.monotonic() >= limit:
            raise TimeoutError(f"It did not end within {PATIENCE_SECONDS:.0f} s.")
        gaps = 1000 * np.diff(self._ticks)
        found = {"median": np.median(gaps), "95th percentile": np.percentile(gaps, 95), "slowest": gaps.max()}
        slow = gaps[gaps > FRAME_MS]
        return {
            "seconds": round(float(gaps.sum()) / 1000, 1),
            **{name: round(float(ms), 1) for name, ms in found.items()},
            f"longer than {FRAME_MS} ms": slow.size,
            "of the time, %": round(float(100 * slow.sum() / gaps.sum()), 1),
        }

    def most_redraws_a_second(self) -> int:
        """Return how often the busiest layer was drawn anew within any one second."""
        most = 0
        for times in self._redrawn.values():
            ends = np.searchsorted(times, np.asarray(times) + 1.0)
            most = max(most, int((ends - np.arange(len(times))).max(initial=0)))
        return most

    def _tick(self) -> None:
        self._ticks.append(time.perf_counter())

    def _turn_plane(self) -> None:
        self._viewer.dims.set_current_step(0, (self._viewer.dims.current_step[0] + 1) % PLANES)

    def _watch(self, event: Any) -> None:
        from napari_swinfusion.viewer.results import is_result

        if is_result(event.value):
            times = self._redrawn.setdefault(event.value.name, [])
            event.value.events.set_data.connect(lambda _: times.append(time.perf_counter()))


def measure(side: int, minutes: float) -> dict[str, Any]:
    """Return the gaps of the five situations, how often results were redrawn, and the ratios to the quiet window."""
    import napari

    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SCREEN)
    stack = simulate(n_planes=PLANES, height=side, width=side, seed=0).stack
    viewer.add_image(stack.data, name="stack", axis_labels=("z", "y", "x"))
    ticks = Ticks(viewer)
    ticks.during(for_seconds(2), hand=True)  # The first drawings load what they need.
    found = {
        "idle": ticks.during(for_seconds(5), hand=False),
        "planes turned": ticks.during(for_seconds(5), hand=True),
        "fusion": fuse_in(viewer, ticks),
        "training, planes turned": train_in(viewer, ticks, minutes),
        # With all the layers that a training leaves, and nothing at work.
        "trained, planes turned": ticks.during(for_seconds(5), hand=True),
    }
    viewer.close()
    ratios = {
        busy: round(found[busy]["95th percentile"] / found[quiet]["95th percentile"], 2)
        for busy, quiet in (("fusion", "planes turned"), ("training, planes turned", "trained, planes turned"))
    }
    return {"gaps, ms": found, "95th percentile over that of a quiet window": ratios}


def fuse_in(viewer: Any, ticks: Ticks) -> dict[str, float]:
    """Fuse the stack through the Fuse dock."""
    from napari_swinfusion.viewer.fuse_dock import FuseDock

    dock = FuseDock(viewer)
    viewer.window.add_dock_widget(dock, name="Fuse focal stack", area="right")
    ticks.during(for_seconds(1), hand=False)
    gaps = ticks.during(lambda: dock.running, hand=False, start=dock.start)
    assert dock.panel.message.text().startswith("Done"), dock.panel.message.text()
    viewer.window.remove_dock_widget(dock)
    return {**gaps, "most redraws of a layer a second": ticks.most_redraws_a_second()}


def train_in(viewer: Any, ticks: Ticks, minutes: float) -> dict[str, float]:
    """Train on small stacks through the Train dock, with the large one still in view."""
    from qtpy.QtCore import Qt

    from napari_swinfusion.viewer.train_dock import TrainDock

    for seed in range(LEAVES):
        leaf = simulate(n_planes=3, height=LEAF_SIDE, width=LEAF_SIDE, seed=seed).stack
        viewer.add_image(leaf.data, name=f"leaf {seed}", axis_labels=("z", "y", "x"))
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train fusion network", area="right")
    dock.source.list.item(0).setCheckState(Qt.CheckState.Unchecked)
    dock.options.name.setText("window")
    dock.options.amount.setValue(minutes)
    ticks.during(for_seconds(1), hand=False)
    gaps = ticks.during(lambda: dock.running, hand=True, start=dock.start)
    assert dock.view.result.text(), dock.panel.status.message.text()
    return gaps


def for_seconds(seconds: float) -> Callable[[], bool]:
    """Return a condition that holds so long from now on."""
    until = time.monotonic() + seconds
    return lambda: time.monotonic() < until


def main() -> None:
    """Measure in a window of its own and save, or be the process of that window."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=RESULTS / "window.json", help="where the numbers go")
    parser.add_argument("--side", type=int, default=SIDE, help="of the planes that are fused, px")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of training")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(measure(options.side, options.minutes)))
        return
    results = measure_apart(options.side, options.minutes)
    stack = f"{PLANES} × {options.side} × {options.side}"
    save({"setting": describe_setting(), "stack": stack, **results}, options.json)
    print(json.dumps(results, indent=1))


def measure_apart(side: int, minutes: float) -> dict[str, Any]:
    """Measure in a process whose settings and models are not the user's; without a screen, under a virtual one."""
    command = [sys.executable, "-m", "benchmarks.window", "--run", "--side", str(side), "--minutes", str(minutes)]
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY") and shutil.which("xvfb-run"):
        width, height = SCREEN
        command = ["xvfb-run", "-a", "-s", f"-screen 0 {width}x{height}x24", *command]
    with tempfile.TemporaryDirectory() as folder:
        own = {"NAPARI_CONFIG": str(Path(folder) / "settings.yaml"), "SWINFUSION_MODELS": folder}
        # As in a napari whose docks are opened before anything loads torch.
        environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, **own}
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
