"""The sidecar of a trained model, `NAME.md` beside it: it names the file's hash, so that a flipped bit is found."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from napari_swinfusion.errors import ModelError

_HASH = re.compile(r"^- sha256: `([0-9a-f]{64})`$", re.MULTILINE)


def card_path(model: Path) -> Path:
    """Return where the card of a model lies."""
    return model.with_suffix(".md")


def hash_line(sha256: str) -> str:
    """Return the line of a card that names the hash."""
    return f"- sha256: `{sha256}`"


def check_card(model: Path) -> None:
    """Compare a model file with its card, where it has one.

    Raises
    ------
    ModelError
        If the card names another hash.
    """
    card = card_path(model)
    if not card.exists():
        return
    told = _HASH.search(card.read_text(encoding="utf-8"))
    if told and told[1] != hashlib.sha256(model.read_bytes()).hexdigest():
        raise ModelError(f"'{model}' is not the file that {card.name} describes (sha256 differs); restore it.")
