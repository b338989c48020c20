"""The command line: commands that parse, call a verb and print."""

from __future__ import annotations


def main() -> None:
    """Run `swinfusion` with the arguments of this process."""
    from napari_swinfusion.cli.app import run

    run()
