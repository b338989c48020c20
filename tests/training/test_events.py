from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from napari_swinfusion.training.events import LOG, Control, EventLog, ask, read_events


def test_events_are_told_and_kept(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    EventLog(tmp_path, told.append).tell("notice", text="Gedächtnis")
    assert told[0]["event"] == "notice"
    assert read_events(tmp_path) == told


def test_D8_a_line_cut_off_by_a_kill_and_steps_done_again_are_left_out(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    log.tell("started", step=0)
    for step in (10, 20, 30):
        log.tell("progress", step=step)
    with (tmp_path / LOG).open("a") as file:
        file.write('{"event": "progr')
    again = EventLog(tmp_path)
    again.tell("started", step=20)
    again.tell("progress", step=30)
    assert [event["step"] for event in read_events(tmp_path)] == [0, 10, 20, 20, 30]


def test_wishes_pass_through_the_run_folder(tmp_path: Path) -> None:
    control = Control(tmp_path)
    assert control.wish() == "resume"
    ask(tmp_path, "pause")
    assert control.wish() == "pause"
    control.clear()
    assert control.wish() == "resume"
    with pytest.raises(ValueError, match="not 'halt'"):
        ask(tmp_path, "halt")  # type: ignore[arg-type]
    control.suspend()
    ask(tmp_path, "stop")
    assert control.wish() == "suspend"
