"""The commands, their names, and how each ends: exit status 0 done, 1 failed, 2 wrong usage, 130 cancelled.

Commands import what they need when they run, so that `--help` loads neither torch nor scipy.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from napari_swinfusion import __version__
from napari_swinfusion.cli.evaluate import evaluate
from napari_swinfusion.cli.fuse import fuse
from napari_swinfusion.cli.models import models
from napari_swinfusion.cli.simulate import simulate
from napari_swinfusion.cli.train import train
from napari_swinfusion.errors import CancelledError, SwinFusionError

CANCELLED, TERMINATED = 130, 143  # What shells report for a program ended by Ctrl-C and by SIGTERM.


class _OneSentence(TyperGroup):
    """Ends a failed command with one sentence on stderr; `--debug` shows where it came from instead."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command and turn its exceptions into an exit status."""
        try:
            return super().invoke(ctx)
        except (CancelledError, KeyboardInterrupt) as error:
            typer.echo(str(error) or "Cancelled; nothing was written.", err=True)
            raise typer.Exit(CANCELLED) from None
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.params.get("debug") or _is_usage_error(error):
                raise
            typer.echo(_sentence(error), err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    name="swinfusion",
    cls=_OneSentence,
    help="Fuse focal stacks into one all-in-focus image.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(fuse)
app.command()(evaluate)
app.command()(simulate)
app.command()(train)
app.add_typer(models)


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a request to terminate leaves no half-written file behind."""
    signal.signal(signal.SIGTERM, _terminate)
    app(arguments)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("demo-output"),
    show: Annotated[bool, typer.Option(help="Open napari with the result where there is a screen.")] = True,
) -> None:
    """Fuse a simulated organoid stack, and show what comes out."""
    from napari_swinfusion.cli.demo import demo as run_demo

    run_demo(out, show=show)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"napari-swinfusion {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")] = False,
) -> None:
    """Fuse focal stacks into one all-in-focus image."""


def _is_usage_error(error: Exception) -> bool:
    # The parser's own errors know how to show themselves, and exit with status 2.
    return hasattr(error, "show") and hasattr(error, "exit_code")


def _sentence(error: Exception) -> str:
    if isinstance(error, SwinFusionError):
        return f"Error: {error}"
    if isinstance(error, MemoryError):
        return f"Error: the memory is full ({error}); crop the stack, or close other programs."
    text = " ".join(str(error).split()) or "no message"
    return f"Error: {type(error).__name__}: {text} (a fault of the program: run `swinfusion --debug …` and report it)."


def _terminate(*_: Any) -> None:
    raise SystemExit(TERMINATED)
