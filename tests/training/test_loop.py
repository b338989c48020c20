from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from napari_swinfusion import load_model
from napari_swinfusion.errors import OutOfMemoryError, TrainingError
from napari_swinfusion.networks import Fused, build_network
from napari_swinfusion.training.checkpoint import CHECKPOINT, PREVIOUS
from napari_swinfusion.training.events import EventLog, Wish, read_events
from napari_swinfusion.training.loop import Trainer, TrainingConfig, run
from napari_swinfusion.training.pretraining import SimulatedStacks, train, with_truth
from napari_swinfusion.training.samples import draw_batch
from napari_swinfusion.training.textures import bundled_textures
from napari_swinfusion.weights import read_header, save_model

TINY = {"stem_channels": 4, "dim": 8, "num_heads": 1, "depths": [2]}
CONFIG = TrainingConfig(
    steps=8, planes_per_step=6, size=32, late_size=32, warm_up=2, checkpoint_every=4, half=False, learning_rate=3e-3
)


@pytest.fixture(scope="module")
def textures() -> dict[str, Tensor]:
    return bundled_textures()


def new_trainer(config: TrainingConfig = CONFIG, **options: Any) -> Trainer:
    torch.manual_seed(3)
    source, objective = options.pop("source", SimulatedStacks([])), options.pop("objective", with_truth(config))
    return Trainer(build_network("hybrid", TINY), source, objective, config, **options)


def same_weights(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_training_makes_a_better_network(textures: dict[str, Tensor], tmp_path: Path) -> None:
    torch.manual_seed(0)
    lines: list[dict[str, Any]] = []
    config = replace(CONFIG, steps=240, checkpoint_every=80, planes_per_step=12, average=0.9)
    path = train(build_network("hybrid", TINY), textures, config, tmp_path, report=lines.append)
    assert read_events(tmp_path) == lines
    told = [line for line in lines if line["event"] == "progress"]
    assert [line["step"] for line in told] == [80, 160, 240]
    trained = load_model(path)
    torch.manual_seed(0)
    fresh = build_network("hybrid", TINY)
    # The same samples before and after: those of a later step may be harder than those of an earlier one.
    for n in (3, 6):
        batch = draw_batch(
            torch.Generator().manual_seed(99), n=n, size=64, planes_per_step=36, textures=list(textures.values())
        )
        with torch.no_grad():
            error = [float((network(batch.planes).image - batch.truth).abs().mean()) for network in (fresh, trained)]
        assert error[1] < error[0]


@pytest.mark.parametrize("name", ["agreement", "transfer"])
def test_terms_by_choice_are_asked_with_the_weight_configured(name: str) -> None:
    batch = draw_batch(torch.Generator().manual_seed(5), n=3, size=32, planes_per_step=6, textures=[])
    fused = build_network("hybrid", TINY)(batch.planes)
    without = with_truth(CONFIG)(fused, batch)
    asked = with_truth(replace(CONFIG, **{name: 2.0}))(fused, batch)
    assert set(asked) - set(without) == {name}
    assert asked[name] > 0
    assert asked["loss"].item() == pytest.approx((without["loss"] + 2 * asked[name]).item(), rel=1e-5)


def test_D9_a_resumed_run_ends_with_the_same_bits(textures: dict[str, Tensor], tmp_path: Path) -> None:
    def go(folder: Path, steps: int) -> None:
        torch.manual_seed(3)
        train(build_network("hybrid", TINY), textures, CONFIG, folder, until=steps)

    go(tmp_path / "unbroken", 8)
    go(tmp_path / "broken", 3)  # Between two lines of the log: their means have to come out the same too.
    go(tmp_path / "broken", 8)
    ends = [load_model(tmp_path / name / "model.safetensors").state_dict() for name in ("unbroken", "broken")]
    assert same_weights(*ends)
    lines = [[e for e in read_events(tmp_path / name) if e["event"] == "progress"] for name in ("unbroken", "broken")]
    assert lines[0][-1]["loss"] == lines[1][-1]["loss"]


def test_D8_C3_a_kill_between_the_two_renames_of_a_checkpoint_loses_one_interval(tmp_path: Path) -> None:
    trainer = new_trainer()
    run(trainer, tmp_path, until=4)
    run(trainer, tmp_path, until=8)
    assert (tmp_path / PREVIOUS).exists()
    (tmp_path / CHECKPOINT).unlink()
    resumed = new_trainer()
    assert resumed.resume(tmp_path)
    assert resumed.standing.step == 4
    run(resumed, tmp_path, until=8)
    assert same_weights(resumed.average, trainer.average)


def test_C3_a_checkpoint_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = new_trainer()
    run(trainer, tmp_path, until=2)

    def full(tensors: dict[str, Tensor], path: Path, **_: Any) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_swinfusion.training.checkpoint.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        run(trainer, tmp_path, until=3)
    resumed = new_trainer()
    assert resumed.resume(tmp_path)
    assert resumed.standing.step == 2


def test_D10_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_weights(tmp_path: Path) -> None:
    config = CONFIG

    def poisoned(fused: Fused, batch: Any) -> dict[str, Tensor]:
        terms = with_truth(config)(fused, batch)
        return terms | {"loss": terms["loss"] * (float("nan") if trainer.standing.step == 5 else 1.0)}

    trainer = new_trainer(objective=poisoned)
    with pytest.raises(TrainingError, match="step 5 is not finite; its batch: simulated stacks"):
        run(trainer, tmp_path, until=8)
    resumed = new_trainer()
    assert resumed.resume(tmp_path)
    assert resumed.standing.step == 5
    assert all(torch.isfinite(tensor).all() for tensor in resumed.average.values())


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("MPS backend out of memory"), MemoryError()],
    ids=["cuda", "mps", "cpu"],
)
def test_D12_B1_B2_out_of_memory_makes_the_batch_smaller_and_says_so(tmp_path: Path, error: Exception) -> None:
    class TwoPlanes(SimulatedStacks):
        def draw(self, generator: torch.Generator, n: int, size: int, planes_per_step: int) -> Any:
            return super().draw(generator, 2, size, planes_per_step)

    def hungry(fused: Fused, batch: Any) -> dict[str, Tensor]:
        if len(batch.planes) > 2:
            raise error
        return with_truth(CONFIG)(fused, batch)

    calm, trainer = (
        new_trainer(source=TwoPlanes([]), objective=objective, log=EventLog(tmp_path))
        for objective in (with_truth(CONFIG), hungry)
    )
    calm.advance()
    trainer.advance()
    assert [event["text"] for event in read_events(tmp_path)] == [
        "Memory ran out: batches are now computed in 2 parts; the result is the same."
    ]
    for one, other in zip(calm.network.parameters(), trainer.network.parameters(), strict=True):
        torch.testing.assert_close(
            trainer.optimizer.state[other]["exp_avg"], calm.optimizer.state[one]["exp_avg"], rtol=1e-3, atol=1e-6
        )


def test_D12_crops_shrink_where_one_stack_is_too_large(tmp_path: Path) -> None:
    def hungry(fused: Fused, batch: Any) -> dict[str, Tensor]:
        if batch.planes.shape[-1] > 64:
            raise MemoryError
        return with_truth(CONFIG)(fused, batch)

    config = replace(CONFIG, size=128, late_size=128, planes_per_step=2)
    trainer = new_trainer(config, objective=hungry, log=EventLog(tmp_path))
    trainer.advance()
    assert "crops are now 64 px instead of 128 px" in read_events(tmp_path)[-1]["text"]


def test_B3_a_size_that_the_user_fixed_is_not_overridden() -> None:
    def hungry(fused: Fused, batch: Any) -> dict[str, Tensor]:
        raise MemoryError

    config = replace(CONFIG, size=128, late_size=128, planes_per_step=2)
    with pytest.raises(OutOfMemoryError, match="choose smaller crops"):
        new_trainer(config, objective=hungry, size_is_fixed=True).advance()


def test_B4_another_runtime_error_is_shown_unchanged() -> None:
    def broken(fused: Fused, batch: Any) -> dict[str, Tensor]:
        raise RuntimeError("shapes cannot be broadcast")

    with pytest.raises(RuntimeError, match="shapes cannot be broadcast"):
        new_trainer(objective=broken).advance()


def test_D13_samples_are_drawn_in_the_training_process_and_their_fault_is_shown() -> None:
    class Broken:
        def draw(self, generator: torch.Generator, n: int, size: int, planes_per_step: int) -> Any:
            raise OSError("the network drive is gone")

    with pytest.raises(OSError, match="the network drive is gone"):
        new_trainer(source=Broken()).advance()


def test_a_pause_waits_with_a_checkpoint_and_goes_on(tmp_path: Path) -> None:
    wishes: list[Wish] = ["resume", "pause", "pause", "resume"]
    trainer = new_trainer(log=EventLog(tmp_path))
    assert run(trainer, tmp_path, until=6, wish=lambda: wishes.pop(0) if wishes else "resume") == "resume"
    names = [event["event"] for event in read_events(tmp_path)]
    assert names == ["checkpoint", "paused", "resumed", "checkpoint", "checkpoint"]
    assert trainer.standing.step == 6


def test_a_term_that_is_not_always_asked_for_is_a_mean_over_the_steps_that_asked() -> None:
    trainer = new_trainer()
    for step in range(4):
        trainer._count({"loss": 1.0} if step % 2 else {"loss": 3.0, "detail": 0.5})
    assert trainer.means() == {"loss": 2.0, "detail": 0.5}
    assert trainer.means() == {}


def launch(*arguments: str, restarts: int = 0, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["--max-restarts", str(restarts), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=250, env=environment, cwd=cwd)


def test_two_processes_train_one_network(tmp_path: Path) -> None:
    arguments = ["-m", "napari_swinfusion.training", "-o", str(tmp_path), "--steps", "3", "--config", json.dumps(TINY)]
    done = launch(*arguments)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-2])["processes"] == 2
    assert load_model(tmp_path / "model.safetensors").config.to_dict()["dim"] == 8


DIES_ONCE = """
import os, sys
from pathlib import Path
import torch
sys.path.insert(0, {tests!r})
from test_loop import CONFIG, SimulatedStacks, new_trainer
from napari_swinfusion.training.loop import run
from napari_swinfusion.training.processes import join_crew

class Dies(SimulatedStacks):
    def draw(self, generator, n, size, planes_per_step):
        if trainer.standing.step == 6 and trainer.crew.rank == 1 and not Path("died").exists():
            Path("died").touch()
            os._exit(9)
        return super().draw(generator, n, size, planes_per_step)

for name, source in (("unbroken", SimulatedStacks([])), ("broken", Dies([]))):
    Path(name).mkdir(exist_ok=True)
    trainer = new_trainer(source=source, crew=join_crew())
    trainer.resume(Path(name))
    run(trainer, Path(name), until=CONFIG.steps)
"""


def test_D15_a_rank_that_dies_is_started_again_from_the_checkpoint(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(DIES_ONCE.format(tests=str(Path(__file__).parent)))
    done = launch(str(script), restarts=3, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "died").exists()
    ends = []
    for name in ("unbroken", "broken"):
        resumed = new_trainer()
        assert resumed.resume(tmp_path / name)
        assert resumed.standing.step == CONFIG.steps
        ends.append(resumed.average)
    assert same_weights(*ends)


SMALL = {"size": 32, "late_size": 32, "planes_per_step": 6, "half": False}


def call_process(
    folder: Path, settings: str, *options: str, config: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "napari_swinfusion.training", "-o", str(folder), "--steps", "1", *options]
    command += ["--config", json.dumps(TINY if config is None else config), "--settings", settings]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == (events[-1]["event"] == "error"), done.stderr
    return events


def test_settings_of_the_process_take_a_seed_and_refuse_what_they_do_not_know(tmp_path: Path) -> None:
    call_process(tmp_path / "seeded", json.dumps({**SMALL, "seed": 4}))
    story = read_header(tmp_path / "seeded" / "model.safetensors")["story"]
    assert story["training"]["seed"] == 4
    (error,) = call_process(tmp_path / "unknown", '{"lerning_rate": 0.1}')
    assert error["kind"] == "ConfigError"
    assert error["text"] == "TrainingConfig has no setting 'lerning_rate'; did you mean 'learning_rate'?"


def test_a_new_part_of_a_base_learns_alone(tmp_path: Path) -> None:
    base = save_model(build_network("hybrid", TINY), tmp_path / "base.safetensors", {})
    options = "--base", str(base), "--only", "second_look"
    call_process(tmp_path / "grown", json.dumps(SMALL), *options, config={"second_look": 4})
    before = load_model(base).state_dict()
    after = load_model(tmp_path / "grown" / "model.safetensors").state_dict()
    assert same_weights(before, {name: after[name] for name in before})
    assert after["second_look.convolutions.4.weight"].any()
    (error,) = call_process(tmp_path / "wrong", json.dumps(SMALL), *options[:3], "decoder", config={})
    assert error["text"].startswith("The network has no part 'decoder'; it has stem, ")
