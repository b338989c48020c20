"""Every way to decide, by name: shipped networks first, then the classical ones."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from napari_swinfusion.decide.base import Decider, DeciderInfo
from napari_swinfusion.decide.measures import MEASURES, MeasureDecider
from napari_swinfusion.decide.pyramid import LaplacianPyramidDecider, MeanDecider
from napari_swinfusion.decide.textbook import TEXTBOOK
from napari_swinfusion.errors import ModelError

_Factory = Callable[[int | None], Decider]


def _measure(name: str, *, guard: bool = True) -> _Factory:
    return lambda tile: MeasureDecider(name, guard=guard, tile=tile)


_CLASSICAL: dict[str, _Factory] = {
    **{name: _measure(name) for name in MEASURES},
    "laplacian-pyramid": lambda tile: LaplacianPyramidDecider(tile=tile),
    "mean": lambda tile: MeanDecider(tile=tile),
}


def _as_it_is(decider: Decider) -> _Factory:
    return lambda _: decider


# Rules of the textbooks, to compare with; they are no sensible choice in a menu.
_TEXTBOOK: dict[str, _Factory] = {
    **{f"{name}-argmax": _measure(name, guard=False) for name in MEASURES},
    **{name: _as_it_is(decider) for name, decider in TEXTBOOK.items()},
}

COMPARATORS = (
    "mean",
    "middle-plane",
    "tenengrad-argmax",
    "tenengrad-guided",
    "laplacian-pyramid",
    "dct-variance",
)
"""What others use, and a network has to beat; the project's own guarded measures are told apart."""


def make_decider(model: str | Path, *, device: str = "auto", tile: int | None = None) -> Decider:
    """Return the decider called `model`.

    Parameters
    ----------
    model
        A name of `list_models`, one of `COMPARATORS` or "variance-argmax" and its like for the textbook rules, or the
        path of a weights file.
    device
        Where a network runs: "auto", "cpu", "cuda", "cuda:1", "mps"; the classical ones run on the CPU.
    tile
        Side of a tile, px; each decider has a default. Some textbook rules need the whole image, and leave it aside.

    Raises
    ------
    ModelError
        If there is no model of that name, or the weights cannot be used.
    """
    factory = {**_CLASSICAL, **_TEXTBOOK}.get(str(model))
    if factory is not None:
        return factory(tile)
    if not _may_be_network(model):
        raise ModelError(_unknown(str(model)))
    from napari_swinfusion.decide.network import NetworkDecider

    return NetworkDecider(model, device=device, tile=tile)


def list_models() -> list[DeciderInfo]:
    """Return what can be chosen as `model`: shipped networks, then classical deciders."""
    from napari_swinfusion.weights import list_networks

    networks = [_network_info(name) for name in list_networks()]
    return [*networks, *(factory(None).info for factory in _CLASSICAL.values())]


def _network_info(name: str) -> DeciderInfo:
    """Return what `NetworkDecider.info` would, without loading the numbers."""
    from napari_swinfusion.weights import find_model, read_header, sha256_of

    path = find_model(name)
    return DeciderInfo(
        name=name,
        summary=str(read_header(path)["story"].get("summary", "a fine-tuned network")),
        sha256=sha256_of(path),
    )


def _may_be_network(model: str | Path) -> bool:
    from napari_swinfusion.weights import list_networks

    path = Path(model)
    return isinstance(model, Path) or str(model) in list_networks() or bool(path.suffix) or path.exists()


def _unknown(name: str) -> str:
    from napari_swinfusion.weights import list_networks

    known = [*list_networks(), *_CLASSICAL]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"choose one of {', '.join(known)}, or give a weights file."
    return f"There is no model '{name}'; {hint}"
