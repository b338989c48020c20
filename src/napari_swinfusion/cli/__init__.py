"""The command line: commands that parse, call a verb and print."""

from __future__ import annotations

import os
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `swinfusion` with `arguments`, or with those of this process."""
    # Torch's threads then sleep between their tasks; spinning, they take five times as long on a busy machine. Read
    # once, when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from napari_swinfusion.cli.app import run

    run(arguments)
