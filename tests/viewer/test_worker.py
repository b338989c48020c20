"""The stream of a run, without a window."""

from __future__ import annotations

import itertools
import time

import pytest
import torch

import napari_swinfusion.pipeline as pipeline
from napari_swinfusion.progress import Progress
from napari_swinfusion.viewer.placement import Placement
from napari_swinfusion.viewer.request import LayerView, Options, resolve
from napari_swinfusion.viewer.worker import REFRESH_SECONDS, Cancelled, Finished, Line, Opened, _batches


@pytest.fixture
def request_of_a_stack(scene):
    view = LayerView(key="k", name="slope", data=scene.stack.data, placement=Placement.plain(("z", "y", "x")))
    return resolve([view], Options(model="tenengrad", tile=16), threads=1)


def test_a_run_opens_then_works_then_ends(request_of_a_stack):
    events = list(itertools.chain.from_iterable(_batches(request_of_a_stack, Line())))
    assert isinstance(events[0], Opened)
    assert isinstance(events[-1], Finished)
    tiles = [event for event in events[1:-1] if not isinstance(event, Progress)]
    assert sum(tile.box.height * tile.box.width for tile in tiles) == 96 * 128


def test_batches_come_at_most_five_times_a_second(request_of_a_stack, monkeypatch):
    fuse = pipeline.fuse

    def slow(*args, on_tile, **options):
        def pause(tile):
            time.sleep(0.02)
            on_tile(tile)

        return fuse(*args, on_tile=pause, **options)

    monkeypatch.setattr(pipeline, "fuse", slow)
    line = Line()
    times = []
    for _ in _batches(request_of_a_stack, line):
        times.append(time.monotonic())
        line.shown.set()
    assert len(times) > 3
    # The last batch brings the outcome and does not wait.
    assert all(after - before >= REFRESH_SECONDS * 0.95 for before, after in itertools.pairwise(times[:-1]))


def test_a_window_that_cannot_follow_gets_larger_batches_not_more(request_of_a_stack, monkeypatch):
    fuse = pipeline.fuse

    def slow(*args, on_tile, **options):
        def pause(tile):
            time.sleep(0.02)
            on_tile(tile)

        return fuse(*args, on_tile=pause, **options)

    monkeypatch.setattr(pipeline, "fuse", slow)
    # Nobody says that the first batch was shown.
    assert len(list(_batches(request_of_a_stack, Line()))) == 2


def test_a_cancelled_run_says_so(request_of_a_stack):
    line = Line()
    line.token.cancel()
    (batch,) = _batches(request_of_a_stack, line)
    assert isinstance(batch[-1], Cancelled)
    assert line.ended.is_set()


def test_the_run_uses_the_preferred_threads(request_of_a_stack, monkeypatch):
    used = []
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    list(_batches(request_of_a_stack, Line()))
    assert used == [1]
