"""Every way to decide is found by its name, and a wrong name is answered with a near one."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_swinfusion.decide.base import DeciderInfo
from napari_swinfusion.decide.registry import list_models, make_decider
from napari_swinfusion.errors import ModelError
from napari_swinfusion.weights import list_networks

CLASSICAL = ["tenengrad", "laplacian-energy", "variance", "laplacian-pyramid", "mean"]


def test_networks_come_first_then_the_classical_ones() -> None:
    assert [info.name for info in list_models()] == [*list_networks(), *CLASSICAL]


@pytest.mark.parametrize("info", list_models(), ids=lambda info: info.name)
def test_listed_facts_are_those_of_the_decider(info: DeciderInfo) -> None:
    assert make_decider(info.name, device="cpu").info == info


@pytest.mark.parametrize("name", [*CLASSICAL, "tenengrad-argmax", "variance-argmax"])
def test_decider_bears_its_name_and_describes_itself(name: str) -> None:
    info = make_decider(name, tile=64).info
    assert info.name == name
    assert info.summary
    assert info.value_preserving == (name != "laplacian-pyramid")


def test_textbook_rules_are_in_no_menu() -> None:
    assert not any(info.name.endswith("-argmax") for info in list_models())


def test_near_name_is_suggested() -> None:
    with pytest.raises(ModelError, match="did you mean 'tenengrad'"):
        make_decider("tenengard")


def test_far_name_lists_what_there_is() -> None:
    with pytest.raises(ModelError, match="laplacian-pyramid"):
        make_decider("quite something else")


@pytest.mark.parametrize("as_path", [str, Path])
def test_missing_file_is_a_model_error(tmp_path: Path, as_path: type) -> None:
    with pytest.raises(ModelError, match="absent"):
        make_decider(as_path(tmp_path / "absent.safetensors"))
