"""Watching a fine-tuning by held-out crops: scores each epoch, the best weights so far, a picture."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch

from napari_swinfusion.io.write import write_bytes
from napari_swinfusion.losses.recipes import Recipe
from napari_swinfusion.networks import Fused, FusionNetwork
from napari_swinfusion.tiling import Box
from napari_swinfusion.training.data.crops import OwnBatch
from napari_swinfusion.training.data.held_out import HeldOutCrop, Scores, fuse_crop, score, tells
from napari_swinfusion.training.data.regions import Region
from napari_swinfusion.training.judging import means, merit
from napari_swinfusion.training.loop import Trainer
from napari_swinfusion.training.own_objective import own_terms
from napari_swinfusion.weights import save_model

BEST, PREVIEW = "best.safetensors", "preview.tif"
PREVIEW_SIDE = 256


class Watcher:
    """Scores the moving average of a trainer's weights on the same crops again and again.

    What it learns stands in `notes` of the trainer, so that a resumed run knows it.
    """

    def __init__(
        self, trainer: Trainer, crops: Sequence[HeldOutCrop], regions: Sequence[Region], recipe: Recipe, folder: Path
    ) -> None:
        self._trainer, self._crops, self._recipe, self._folder = trainer, crops, recipe, folder
        self._preview = _preview_crop(regions)
        self._before: Fused | None = None
        self.notes = trainer.standing.notes
        self.notes.setdefault("curve", [])

    def look_at_base(self, base: FusionNetwork) -> None:
        """Score the model that has to be beaten, once a run, and keep its picture."""
        self._before = fuse_crop(base, self._preview)
        if not self.notes["curve"]:
            scores, loss = self._scores(base)
            self.notes |= {"base": scores, "best": 0.0, "best_step": 0, "waited": 0}
            self._tell(scores, loss, epoch=0.0, best=False)

    def look(self, epoch: float) -> int:
        """Score the present average, keep it if it is the best so far, and return for how many epochs none was.

        Where nothing is seen in the crops that could be better, no epoch counts.
        """
        trainer, notes = self._trainer, self.notes
        current = trainer.averaged()
        scores, loss = self._scores(trainer.network)
        found = merit(scores, notes["base"])
        best = found > notes["best"]
        if best:
            notes |= {"best": found, "best_step": trainer.standing.step, "waited": 0}
            save_model(trainer.network, self._folder / BEST, {"step": trainer.standing.step})
        elif tells(notes["base"]):
            notes["waited"] += 1
        after = fuse_crop(trainer.network, self._preview)
        trainer.put_back(current)
        self._tell(scores, loss, epoch=epoch, best=best)
        self._write_preview(after)
        return int(notes["waited"])

    def _scores(self, network: FusionNetwork) -> tuple[Scores, float]:
        found, losses = [], []
        for crop in self._crops:
            fused = fuse_crop(network, crop)
            found.append(score(fused.image[0].numpy(), crop))
            losses.append(recipe_loss(fused, crop, self._recipe))
        return means(found), round(float(np.mean(losses)), 6)

    def _tell(self, scores: Scores, loss: float, *, epoch: float, best: bool) -> None:
        step = self._trainer.standing.step
        line = {"step": step, "epoch": round(epoch, 3), "loss": loss, "scores": scores, "best": best}
        self.notes["curve"].append(line)
        self._trainer.tell("validation", **line)

    def _write_preview(self, after: Fused) -> None:
        assert self._before is not None
        pages = {"before": self._before.image[0].numpy(), "after": after.image[0].numpy()}
        deciding = after.weights if after.focus is None else after.focus
        if deciding is not None:
            pages["decision"] = deciding[0].argmax(dim=0).float().numpy()
        if self._preview.truth is not None:
            pages["truth"] = self._preview.truth
        content = BytesIO()
        tifffile.imwrite(content, np.stack(list(pages.values())).astype(np.float32), photometric="minisblack")
        path = write_bytes(self._folder / PREVIEW, content.getvalue())
        box = self._preview.box
        facts: dict[str, Any] = {"path": str(path), "pages": list(pages), "stack": self._preview.stack}
        facts["box"] = [box.y0, box.y1, box.x0, box.x1]
        self._trainer.tell("preview", step=self._trainer.standing.step, **facts)


def recipe_loss(fused: Fused, crop: HeldOutCrop, recipe: Recipe) -> float:
    """Return what the recipe says of the answer on a held-out crop."""
    planes = torch.from_numpy(np.ascontiguousarray(crop.planes[None]))
    truth = None if crop.truth is None else torch.from_numpy(np.ascontiguousarray(crop.truth[None]))
    with torch.inference_mode():
        return float(recipe.total(own_terms(fused, OwnBatch(planes, planes, torch.zeros(1), truth, None), recipe)))


def _preview_crop(regions: Sequence[Region]) -> HeldOutCrop:
    """Return the part of the held-out regions with most detail, up to 256 px a side."""

    def boxes(region: Region) -> list[Box]:
        box = region.box
        height, width = min(box.height, PREVIEW_SIDE), min(box.width, PREVIEW_SIDE)
        rows = range(box.y0, box.y1 - height + 1, max(height // 2, 1))
        columns = range(box.x0, box.x1 - width + 1, max(width // 2, 1))
        return [Box(y, y + height, x, x + width) for y in rows for x in columns]

    region, box = max(
        ((region, box) for region in regions for box in boxes(region)), key=lambda pair: pair[0].detail_within(pair[1])
    )
    truth = None if region.truth is None else region.truth[box.slices]
    return HeldOutCrop(region.planes(box), truth, region.name, box)
