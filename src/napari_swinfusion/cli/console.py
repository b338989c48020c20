"""How commands talk: results on stdout, everything else on stderr, and Ctrl-C as a wish to stop."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from napari_swinfusion.progress import CancelToken, Progress, ProgressCallback


def option(text: str, *names: str, **limits: Any) -> Any:
    """Return an option of a command, its help first: the sentence is what a reader of the code looks for."""
    return typer.Option(*names, help=text, **limits)


def print_json(summary: Any) -> None:
    """Print one line of JSON on stdout."""
    typer.echo(json.dumps(summary, ensure_ascii=False))


def print_notices(notices: Sequence[str]) -> None:
    """Print what the user should know, each once, on stderr."""
    for notice in dict.fromkeys(notices):
        typer.echo(f"Note: {notice}", err=True)


@contextmanager
def progress_bar(*, shown: bool) -> Iterator[ProgressCallback]:
    """Draw a bar on stderr while the block runs, where stderr is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[left]}"))
    with Bars(*columns, console=console, transient=True, disable=not (shown and console.is_terminal)) as bars:
        task = bars.add_task("prepare", total=None, left="")

        def report(step: Progress) -> None:
            left = "" if step.seconds_left is None else f"{step.seconds_left:.0f} s left"
            bars.update(task, description=step.stage, completed=step.done, total=step.total, left=left)

        yield report


@contextmanager
def cancel_on_interrupt() -> Iterator[CancelToken]:
    """Turn the first Ctrl-C in the block into a cancel request; a second one interrupts at once."""
    token = CancelToken()
    before = signal.getsignal(signal.SIGINT)
    # A job in the background of a shell ignores the signal, and goes on doing so.
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield token
        return

    def cancel(*_: Any) -> None:
        token.cancel()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, cancel)
    try:
        yield token
    finally:
        signal.signal(signal.SIGINT, before)
