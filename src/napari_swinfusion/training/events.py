"""How a training talks with whoever watches it: events out, wishes in, both through files of its run folder.

A run folder outlives the process, so a watcher may close, come back and go on: nothing but the folder is shared.

Events
------
Each event is one JSON object on one line: on standard output of `python -m napari_swinfusion.training`, and appended to
`log.jsonl` of the run folder. Every event has `event` (its name) and `time` (seconds since 1970). A killed process may
leave a last line that is cut off; `read_events` drops it. After a resume, `started` tells the step from which the run
goes on, and events of later steps that stand before it did not happen: `read_events` drops them too.

| event | keys beside `event` and `time` |
|---|---|
| `started` | `pid`, `run` (the run folder), `out` (the model to be), `step` (0, or where a resumed run goes on), `steps`, `steps_per_epoch`, `network`, `parameters`, `base`, `recipe`, `device`, `processes`, `training` and `held_out` (names of stacks), `notices` (list of sentences) |
| `progress` | `step`, `steps`, `epoch` (a float), `loss` and `simulated` (means since the last such event, on own crops and on simulated stacks, whose loss is of another scale; null where there were none), `terms` (of `loss`: name to value, unweighted), `rate` (learning rate), `seconds_per_step`, `seconds_left`; about one a second |
| `validation` | `step`, `epoch`, `loss` (of the recipe, held out), `scores` (name to value, higher is better; of the base at `step` 0), `best` (whether it is the best so far) |
| `preview` | `step`, `path` (a TIFF that is replaced each time), `pages` (what its float32 pages hold: `before`, `after`, `decision`, and `truth` where there is a reference), `box` (`[y0, y1, x0, x1]` in the stack), `stack` (its name) |
| `checkpoint` | `step`, `path` |
| `notice` | `text`: one sentence for the user, such as that the batch was made smaller because memory ran out |
| `paused`, `resumed` | `step` |
| `judging` | `step`; the training is over, the held-out crops are compared |
| `finished` | `step`, `why` (`steps`, `time`, `no better`, `asked`), `accepted`, `reason` (one sentence), `path` (of the model, or of the rejected one), `sha256`, `card`, `before` and `after` (score name to mean), `gain` (score name to `[mean, lower, upper]`), `seconds` |
| `suspended` | `step`; the process ends with a checkpoint and without a model, and the same command resumes it |
| `error` | `text` (one sentence), `kind` (class of the exception), `traceback`, `step` |

The last event of a run is `finished`, `suspended` or `error`. A process that ends without one of them was killed; its
exit status and what it said on standard error are all there is.

Wishes
------
A watcher writes one word into the file `control` of the run folder (`ask` does it), and the training looks there after
each step: `pause` writes a checkpoint and waits, `resume` goes on, `stop` ends the training now and judges and keeps what
was learned so far, `suspend` writes a checkpoint and ends the process. SIGTERM and SIGINT mean `suspend`.
"""  # noqa: E501 (a table row is one line)

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from napari_swinfusion.io import write_text

LOG = "log.jsonl"
CONTROL = "control"
LAST_EVENTS = ("finished", "suspended", "error")

Wish = Literal["pause", "resume", "stop", "suspend"]
WISHES: tuple[Wish, ...] = get_args(Wish)
Report = Callable[[dict[str, Any]], None]


class EventLog:
    """Appends events to the log of a run folder and hands each to `report`."""

    def __init__(self, folder: Path, report: Report | None = None) -> None:
        self._path, self._report = folder / LOG, report
        # A killed process may have left half a line.
        if self._path.exists() and not self._path.read_bytes().endswith(b"\n"):
            with self._path.open("a", encoding="utf-8") as log:
                log.write("\n")

    def tell(self, event: str, **facts: Any) -> None:
        """Tell one event; the line is on the disk before this returns."""
        line = {"event": event, "time": round(time.time(), 3), **facts}
        with self._path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line, ensure_ascii=False) + "\n")
        if self._report is not None:
            self._report(line)


def read_events(folder: Path) -> list[dict[str, Any]]:
    """Return what happened in a run so far, without lines cut off and without steps that a resumed run did again."""
    path = folder / LOG
    events: list[dict[str, Any]] = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            event = json.loads(text)
        except json.JSONDecodeError:
            continue
        if event.get("event") == "started":
            events = [earlier for earlier in events if earlier.get("step", 0) <= event["step"]]
        events.append(event)
    return events


def ask(folder: Path, wish: Wish) -> None:
    """Ask the training of a run folder for something; it answers by an event after the current step.

    Raises
    ------
    ValueError
        If there is no such wish.
    """
    if wish not in WISHES:
        raise ValueError(f"A training knows {', '.join(WISHES)}, not '{wish}'.")
    write_text(folder / CONTROL, wish)


class Control:
    """What a training is asked for: by the file `control` of its run folder, or by `suspend` from a signal."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / CONTROL
        self._suspended = False

    def clear(self) -> None:
        """Forget the wishes of an earlier run."""
        self._path.unlink(missing_ok=True)

    def suspend(self, *_: Any) -> None:
        """Ask from inside this process; fit to be a signal handler."""
        self._suspended = True

    def wish(self) -> Wish:
        """Return the present wish; `resume` where there is none."""
        if self._suspended:
            return "suspend"
        try:
            word = self._path.read_text(encoding="utf-8").strip()
        except OSError:
            return "resume"
        return next((known for known in WISHES if known == word), "resume")
