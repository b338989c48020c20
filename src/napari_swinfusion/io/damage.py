"""The border at which whatever a damaged or absent file raises becomes one kind of error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_swinfusion.errors import LoadError, SwinFusionError


@contextmanager
def damage_as_load_error(path: Path) -> Iterator[None]:
    """Let only this package's exceptions leave the block: decoders raise anything on a damaged file.

    Raises
    ------
    LoadError
        In place of every other exception.
    """
    try:
        yield
    except SwinFusionError:
        raise
    except OSError as error:
        raise LoadError(
            f"{path} cannot be read ({error.strerror or error}); check the path and its permissions."
        ) from error
    except Exception as error:
        raise LoadError(
            f"{path.name} is damaged and cannot be decoded ({error}); get it again from its source."
        ) from error
