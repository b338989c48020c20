from __future__ import annotations

from dataclasses import dataclass

import pytest

from napari_swinfusion.config import Config
from napari_swinfusion.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Kettle(Config):
    litres: float = 1.7
    temperatures: tuple[int, ...] = (80, 100)


def test_plain_values_and_back() -> None:
    kettle = Kettle.from_dict({"temperatures": [70]})
    assert kettle == Kettle(temperatures=(70,))
    assert Kettle.from_dict(kettle.to_dict()) == kettle


@pytest.mark.parametrize(("key", "hint"), [("liters", "did you mean 'litres'"), ("colour", "known are litres, temp")])
def test_an_unknown_key_names_the_nearest_or_all(key: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"Kettle has no setting '{key}'; {hint}"):
        Kettle.from_dict({key: 1})
