"""What every merger and every mixer promises, asked of each by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from napari_swinfusion.errors import ConfigError
from napari_swinfusion.networks.blocks.entry import Block
from napari_swinfusion.networks.blocks.mergers import MERGERS, make_merger
from napari_swinfusion.networks.blocks.mixers import MIXERS, make_mixer

DIM = 8
# Other settings than the default, where they change what is promised.
MERGER_CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in MERGERS),
    ("selective", {"window": None}),
    ("selective", {"window": 5}),
    ("cross-attention", {"window_size": 4, "num_heads": 4}),
]
MIXER_CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in MIXERS),
    ("dilated", {"window": None}),
    ("dilated", {"dilations": (3,), "window": 3}),
    ("spatial-modulation", {"levels": 3}),
    ("multi-scale", {"kernel_sizes": (3, 9)}),
]
CASES = [(make_merger, *case) for case in MERGER_CASES] + [(make_mixer, *case) for case in MIXER_CASES]


Case = tuple[Any, str, dict[str, Any]]


@pytest.fixture(params=CASES, ids=lambda case: "-".join([case[1], *map(str, case[2].values())]))
def case(request: pytest.FixtureRequest) -> Case:
    case: Case = request.param
    return case


@pytest.fixture
def block(case: Case) -> Block:
    make, name, config = case
    torch.manual_seed(0)
    block: Block = make(name, DIM, **config)
    # Fresh weights hardly tell sources apart; larger ones, all different, make every path count.
    for parameter in block.parameters():
        parameter.data.mul_(1.5).add_(0.1 * torch.randn_like(parameter))
    return block.eval()


def merges(block: Block) -> bool:
    return isinstance(block, tuple(entry.block for entry in MERGERS.values()))


def input_of(
    block: Block, height: int, width: int, n: int = 3, dtype: torch.dtype = torch.float32, samples: int = 2
) -> Tensor:
    shape = (samples, n, DIM, height, width) if merges(block) else (samples, DIM, height, width)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


@pytest.mark.parametrize("size", [(16, 24), (1, 1), (7, 13), (31, 5)])
def test_any_size_and_any_number_of_sources(block: Block, size: tuple[int, int]) -> None:
    for n in (1, 2, 5) if merges(block) else (1,):
        given = input_of(block, *size, n=n)
        kept = given.clone()
        with torch.no_grad():
            answer = block(given)
        assert answer.shape == (2, DIM, *size)
        assert torch.isfinite(answer).all()
        assert torch.equal(given, kept), "it overwrote what it was given"


def test_samples_of_a_batch_do_not_mix(block: Block) -> None:
    given = input_of(block, 16, 16)
    torch.testing.assert_close(block(given)[1:], block(given[1:]))


def test_gradients_reach_every_parameter(block: Block) -> None:
    block(input_of(block, 16, 16)).square().sum().backward()
    dead = [name for name, parameter in block.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert not dead


def test_inference_gives_what_training_gives(block: Block) -> None:
    given = input_of(block, 16, 24)
    trained = block(given)
    with torch.no_grad():
        torch.testing.assert_close(block(given), trained, atol=1e-5, rtol=0)
        assert torch.equal(block(given), block(given))


def test_a_saved_block_is_the_same_again(block: Block, case: Case) -> None:
    make, name, config = case
    torch.manual_seed(5)
    again = make(name, DIM, **config)
    again.load_state_dict(block.state_dict())
    given = input_of(block, 16, 16)
    assert torch.equal(again(given), block(given))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_stay_finite(block: Block, dtype: torch.dtype) -> None:
    with torch.no_grad():
        answer = block.to(dtype)(input_of(block, 13, 16, dtype=dtype))
    assert answer.dtype == dtype
    assert torch.isfinite(answer).all()


def test_the_declared_reach_is_the_true_one(block: Block) -> None:
    """A changed token changes nothing farther away than declared; the farthest is met from some place on the grid."""
    side = 24 if block.reach is None else 2 * -(-(block.reach + block.multiple) // block.multiple) * block.multiple + 1
    block, given = block.double(), input_of(block, side, side, n=2, dtype=torch.float64, samples=1)
    farthest = 0
    with torch.no_grad():
        before = block(given)

        def moved(y: int) -> Tensor:
            changed = given.clone()
            changed[..., y, y] += 3
            return (block(changed) - before).abs().amax((0, 1)) > 0

        if block.reach is None:
            assert moved(0).double().mean() > 0.9
            return
        for offset in range(block.multiple):
            y = side // block.multiple // 2 * block.multiple + offset
            farthest = max(farthest, *(int((axis - y).abs().max()) for axis in moved(y).nonzero(as_tuple=True)))
    assert farthest == block.reach


def test_shifted_by_its_grid_it_answers_shifted(block: Block) -> None:
    """What tiling needs: away from the edges the answer depends on what is around, not on where the image begins."""
    if block.reach is None:
        pytest.skip("it sees the whole image")
    step, margin = block.multiple, block.reach
    side = 2 * margin + 3 * step
    block, given = block.double(), input_of(block, side, side, dtype=torch.float64)
    inner, same = slice(margin + step, side - margin), slice(margin, side - margin - step)
    with torch.no_grad():
        whole, part = block(given)[..., inner, inner], block(given[..., step:, step:])[..., same, same]
    torch.testing.assert_close(part, whole)


def test_torch_export_takes_it(block: Block) -> None:
    given = input_of(block, 16, 16, n=2)
    torch.testing.assert_close(torch.export.export(block, (given,)).module()(given), block(given))


@pytest.mark.parametrize(("make", "entries"), [(make_merger, MERGERS), (make_mixer, MIXERS)])
def test_the_registry_tells_the_truth(make: Any, entries: Any) -> None:
    for name, entry in entries.items():
        assert make(name, DIM).reach == entry.reach
        assert all((entry.good_for, entry.paper, entry.cost))


def test_the_page_of_the_networks_lists_each_as_registered() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "explanation" / "networks.md").read_text(encoding="utf-8")
    for kind, entries in (("merger", MERGERS), ("mixer", MIXERS)):
        for name, entry in entries.items():
            reach = "whole image" if entry.reach is None else entry.reach
            assert f"| `{name}` ({kind}) | {entry.good_for} | {entry.paper} | {entry.cost} | {reach} |" in page


@pytest.mark.parametrize(
    ("make", "wrong", "right"), [(make_merger, "gatd", "gated"), (make_mixer, "dilatd", "dilated")]
)
def test_unknown_names_and_settings_name_the_nearest(make: Any, wrong: str, right: str) -> None:
    with pytest.raises(ConfigError, match=f"did you mean '{right}'"):
        make(wrong, DIM)
    with pytest.raises(ConfigError, match="has no setting 'windows'"):
        make(right, DIM, windows=3)


@pytest.mark.parametrize(
    ("make", "name", "config", "message"),
    [
        (make_merger, "selective", {"window": 4}, "no middle"),
        (make_merger, "cross-attention", {"num_heads": 3}, "3 heads cannot share 8 channels"),
        (make_mixer, "reduced-attention", {"num_heads": 3}, "3 heads cannot share 8 channels"),
        (make_mixer, "spatial-modulation", {"levels": 9}, "cannot be parted into 9 levels"),
    ],
)
def test_settings_that_cannot_work_are_refused(make: Any, name: str, config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(name, DIM, **config)
