"""The speed benchmark runs each fusion in a process of its own and reports what it took."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import speed


def test_run_reports_time_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SIDE", 64)
    found = speed.run_here("tenengrad", 3)
    assert found["cpu seconds"] > 0
    assert found["of it the stack, MiB"] == 3 * 64 * 64 * 2 / speed.MIB


def test_turns_give_medians_and_ratios(monkeypatch: pytest.MonkeyPatch) -> None:
    took = {"tenengrad": iter([1.0, 9.0, 2.0]), "mean": iter([1.0, 1.0, 8.0])}
    order: list[str] = []

    def run(model: str, planes: int) -> dict[str, float]:
        order.append(model)
        return {"cpu seconds": next(took[model])}

    monkeypatch.setattr(speed, "_run_apart", run)
    table = speed._take_turns(["tenengrad", "mean"], 20, 3)
    assert order == ["tenengrad", "mean"] * 3
    assert table["tenengrad"] == {"cpu seconds": 2.0, "times tenengrad": 1.0}
    assert table["mean"] == {"cpu seconds": 1.0, "times tenengrad": 0.5}


def test_stack_is_sharp_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SIDE", 128)
    stack = speed.draw_stack(4)
    assert stack.dtype == np.uint16
    contrast = stack.astype(float).reshape(4, 128, 4, 32).std(axis=(1, 3))
    assert (contrast.argmax(axis=0) == [0, 1, 2, 3]).all()
