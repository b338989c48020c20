"""One fusion away from the main thread, told as a stream of values.

superqt's generator worker swallows every `RuntimeError` (so every out-of-memory error of torch): no signal, running
for ever. Therefore no exception leaves this file's thread: how a run ended, well or not, is a value like its tiles.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from napari.qt.threading import GeneratorWorker, create_worker

from napari_swinfusion.errors import CancelledError, SwinFusionError
from napari_swinfusion.focal_stack import FocalStack, FusedImage
from napari_swinfusion.progress import CancelToken
from napari_swinfusion.viewer.request import FuseRequest

REFRESH_SECONDS = 0.2

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opened:
    """The stack is there; the run begins."""

    stack: FocalStack


@dataclass(frozen=True)
class Finished:
    """The run ended well."""

    result: FusedImage


@dataclass(frozen=True)
class Failed:
    """The run ended with an error, told in one sentence."""

    sentence: str


@dataclass(frozen=True)
class Cancelled:
    """The run ended because the user asked."""


Outcome = Finished | Failed | Cancelled
Event = Any
"""`Opened`, then `Progress` and `FusedTile` in any order, at last one `Outcome`."""


@dataclass(frozen=True)
class Line:
    """What the window and a run share.

    Attributes
    ----------
    token
        Set to stop the run.
    shown
        Set by the window when it has shown what it got last: a slow window gets larger batches, not a longer queue.
    ended
        Set by the run when its work is over.
    """

    token: CancelToken = field(default_factory=CancelToken)
    shown: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


class FuseWorker(GeneratorWorker):
    """A generator worker that can be cancelled from outside, and waited for."""

    line: Line

    def quit(self) -> None:
        """Stop at the next tile; napari calls this too, when its window closes."""
        self.line.token.cancel()
        super().quit()


def make_worker(request: FuseRequest) -> FuseWorker:
    """Return a worker, not yet started, that yields lists of events at most once in `REFRESH_SECONDS`."""
    line = Line()
    worker: FuseWorker = create_worker(_batches, request, line, _worker_class=FuseWorker)
    worker.line = line
    return worker


def _batches(request: FuseRequest, line: Line) -> Generator[list[Event], None, None]:
    # fuse() tells by callbacks, a generator worker wants yields: a thread and a queue turn one into the other.
    events: SimpleQueue[Event] = SimpleQueue()
    threading.Thread(target=_work, args=(request, line, events), name="swinfusion").start()
    line.shown.set()
    batch: list[Event] = []
    while not (batch and isinstance(batch[-1], Outcome)):
        batch = [events.get()]
        due = time.monotonic() + REFRESH_SECONDS
        while not isinstance(batch[-1], Outcome) and (time.monotonic() < due or not line.shown.is_set()):
            with contextlib.suppress(Empty):
                batch.append(events.get(timeout=REFRESH_SECONDS / 4))
        line.shown.clear()
        yield batch


def _work(request: FuseRequest, line: Line, events: SimpleQueue[Event]) -> None:
    outcome: Outcome
    try:
        outcome = Finished(_fuse(request, line.token, events))
    except CancelledError:
        outcome = Cancelled()
    except BaseException as error:  # SystemExit and its like must reach the user too
        _log.error("The fusion of '%s' failed.", request.name, exc_info=error)
        outcome = Failed(sentence_of(error))
    _free_device_memory()
    line.ended.set()
    events.put(outcome)


def _fuse(request: FuseRequest, token: CancelToken, events: SimpleQueue[Event]) -> FusedImage:
    import torch

    torch.set_num_threads(threads_for(request.threads))
    from napari_swinfusion.pipeline import fuse

    stack = request.open()
    token.check()
    events.put(Opened(stack))
    return fuse(stack, **request.options.arguments(), progress=events.put, cancel=token, on_tile=events.put)


def sentence_of(error: BaseException) -> str:
    """Return what to tell the user about `error`; the message of an unforeseen one stays as it is."""
    text = str(error).strip()
    if isinstance(error, SwinFusionError) and text:
        return text
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        detail = f" ({text.splitlines()[0]})" if text else ""
        return f"The memory is full; choose a smaller tile under Advanced, or another device{detail}."
    kind = type(error).__name__
    return f"The fusion failed with {kind}: {text}" if text else f"The fusion failed with {kind}."


def make_threads_wait() -> None:
    """Let torch's threads sleep between their tasks instead of spinning on the window's core.

    The policy is read once, when torch's OpenMP library loads: call this before anything imports torch.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def threads_for(preferred: int) -> int:
    """Return how many threads a run gets: as many as preferred, or where that is 0 all but one for the window."""
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
    return preferred or max(mine - 1, 1)


def _free_device_memory() -> None:
    torch = sys.modules.get("torch")
    # A card lost in the run raises here again, and the run's own outcome must still be told.
    with contextlib.suppress(Exception):
        if torch is not None and torch.cuda.is_initialized():
            torch.cuda.empty_cache()
