"""The process that trains, and the run folders it leaves: started, found again, watched; no Qt, no napari.

A `QProcess` ends its child when the window goes, so it could not go on without one. The child here is a session of its
own whose only ties are the files of its run folder.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from napari_swinfusion.training.checkpoint import has_checkpoint
from napari_swinfusion.training.events import LAST_EVENTS, LOG, ask, read_events
from napari_swinfusion.training.jobs import JOB

SUFFIX = ".training"
_BIRTH, _STDERR = "process.json", "stderr.txt"
_MOST_WORDS = 300

# Kept, so that a dock that is opened again in the same window still learns how its process ended.
_children: dict[Path, subprocess.Popen[bytes]] = {}

State = Literal["running", "unfinished", "failed", "finished"]
Event = dict[str, Any]


@dataclass(frozen=True)
class RunFolder:
    """A training as its folder tells it.

    Attributes
    ----------
    state
        "unfinished" can be resumed; "failed" ended without a checkpoint.
    """

    path: Path
    state: State
    step: int
    steps: int

    @property
    def name(self) -> str:
        """Name of the model to be."""
        return self.path.name.removesuffix(SUFFIX)

    def spelled(self) -> str:
        """Return name and state for a menu."""
        state = f"stopped at {self.step} of {self.steps}" if self.state == "unfinished" else self.state
        return f"{self.name} · {state}"


def list_runs(folder: Path) -> list[RunFolder]:
    """Return the trainings whose run folders lie in `folder`, the latest first."""
    found = [path for path in folder.glob(f"*{SUFFIX}") if (path / JOB).is_file()]
    return [look(path) for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)]


def look(folder: Path) -> RunFolder:
    """Return how the training of a run folder stands."""
    events = read_events(folder)
    last = events[-1]["event"] if events else ""
    state: State = "failed"
    if last not in LAST_EVENTS and any(_lived_at(*birth) for birth in _births(folder, events)):
        state = "running"
    elif last == "finished":
        state = "finished"
    elif has_checkpoint(folder):
        state = "unfinished"
    steps = [event["steps"] for event in events if "steps" in event]
    return RunFolder(folder, state, last_step(events), steps[-1] if steps else 0)


def last_step(events: Iterable[Event]) -> int:
    """Return the step of the last event that names one, 0 where none does."""
    return next((int(event["step"]) for event in reversed(list(events)) if "step" in event), 0)


def _births(folder: Path, events: Iterable[Event]) -> list[tuple[int, float]]:
    """Return the process numbers of a run folder, with a time at which each was the training's."""
    births = [(event["pid"], event["time"]) for event in events if event["event"] == "started"][-1:]
    with suppress(OSError, ValueError, KeyError):
        birth = json.loads((folder / _BIRTH).read_text(encoding="utf-8"))
        births.append((birth["pid"], birth["time"]))
    return births


def _lived_at(pid: int, moment: float) -> bool:
    # A number that another process has taken over since does not count.
    try:
        process = psutil.Process(pid)
        return process.create_time() <= moment + 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _step_back(pid: int) -> None:
    """Let the window go first where both want the processor."""
    with suppress(psutil.Error):
        psutil.Process(pid).nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if os.name == "nt" else 10)
    with suppress(OSError):
        # Linux weighs sessions against each other before it looks at their processes.
        Path(f"/proc/{pid}/autogroup").write_text("10", encoding="ascii")


class TrainingProcess:
    """The process of one run folder: started here, or found running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._child = _children.get(folder)
        self._births = _births(folder, read_events(folder))
        self._read = 0

    def start(self, threads: int) -> None:
        """Start the process with so many processor threads, or start it again where it stopped."""
        # Its threads sleep between their tasks instead of spinning on the window's core.
        environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "napari_swinfusion.training", str(self.folder), "--threads", str(threads)]
        apart: dict[str, Any] = (
            {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
            if os.name == "nt"
            else {"start_new_session": True}
        )
        with (self.folder / _STDERR).open("wb") as stderr:
            self._child = _children[self.folder] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, env=environment, **apart
            )
        _step_back(self._child.pid)
        birth = {"pid": self._child.pid, "time": time.time()}
        (self.folder / _BIRTH).write_text(json.dumps(birth), encoding="utf-8")

    def new_events(self) -> list[Event]:
        """Return what was told since the last call; a last line that is still being written waits for the next."""
        try:
            with (self.folder / LOG).open("rb") as log:
                log.seek(self._read)
                text = log.read()
        except OSError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        events = []
        for line in whole.splitlines():
            try:
                events.append(json.loads(line))
            except ValueError:
                continue
        return events

    def is_alive(self) -> bool:
        """Return whether the process lives."""
        if self._child is not None:
            return self._child.poll() is None
        return any(_lived_at(*birth) for birth in self._births)

    def end(self, *, told_start: bool) -> None:
        """Let it write a checkpoint and end; before its first step there is nothing to keep."""
        ask(self.folder, "suspend")
        if self._child is not None and not told_start:
            self._child.terminate()

    def last_words(self) -> str:
        """Return why it ended without a word in its log, in one sentence for the user."""
        status = self._child.returncode if self._child is not None else None
        sentence = _cause(status)
        try:
            text = (self.folder / _STDERR).read_text(encoding="utf-8", errors="replace")
        except OSError:
            text = ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if lines:
            sentence += f" Its last words: {lines[-1][-_MOST_WORDS:]}"
        if has_checkpoint(self.folder):
            sentence += " Resume goes on from its last checkpoint."
        return sentence


def _cause(status: int | None) -> str:
    if status is None:
        return "The training process is gone without a word."
    if status >= 0:
        return f"The training process ended with exit status {status}."
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    if name == "SIGKILL":
        return "The training process was killed (SIGKILL), most likely because the memory was full."
    return f"The training process crashed ({name})."
