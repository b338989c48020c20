"""The command line: commands that parse, call a verb and print."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `swinfusion` with `arguments`, or with those of this process."""
    from napari_swinfusion.cli.app import run

    run(arguments)
