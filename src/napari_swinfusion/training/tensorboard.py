"""Events as TensorBoard scalars, for those who watch there; an extra that needs the package `tensorboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_swinfusion.errors import InputError
from napari_swinfusion.training.events import Report


def tensorboard_report(folder: Path) -> Report:
    """Return a listener that writes losses, scores and the learning rate below `folder`.

    Raises
    ------
    InputError
        If tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError("TensorBoard is not installed; pip install 'napari-swinfusion[tensorboard]'.") from error
    writer = SummaryWriter(str(folder))

    def tell(event: dict[str, Any]) -> None:
        for name, value in scalars(event).items():
            writer.add_scalar(name, value, event["step"])
        if event["event"] in ("finished", "suspended", "validation"):
            writer.flush()

    return tell


def scalars(event: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of an event worth a curve, by name."""
    if event["event"] == "progress":
        values = {"loss": event["loss"], "simulated": event["simulated"], "rate": event["rate"], **event["terms"]}
        return {f"training/{name}": value for name, value in values.items() if value is not None}
    if event["event"] == "validation":
        return {"validation/loss": event["loss"]} | {
            f"validation/{name}": value for name, value in event["scores"].items()
        }
    return {}
