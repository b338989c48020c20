"""Writing faults: a result is there whole or not at all, and an input is never touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import napari_swinfusion.io.write as write_room
from napari_swinfusion.errors import DiskFullError, OutputExistsError, SaveError
from napari_swinfusion.focal_stack import FocalStack, FusedImage
from napari_swinfusion.io import write_fused, write_stack


@pytest.fixture
def result(rng: np.random.Generator) -> FusedImage:
    """Return a small result."""
    return FusedImage(
        image=rng.integers(0, 65536, (40, 50), dtype=np.uint16),
        decision=rng.integers(0, 5, (40, 50), dtype=np.uint8),
        confidence=rng.random((40, 50), dtype=np.float32),
        depth=rng.random((40, 50), dtype=np.float32),
        provenance={"version": "test"},
        axes="YX",
        decision_axes="YX",
    )


def test_A20_big_files_are_bigtiff(tmp_path: Path, result: FusedImage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert write_room.BIGTIFF_BYTES < 2**31
    write_fused(result, tmp_path / "small.tif")
    monkeypatch.setattr(write_room, "BIGTIFF_BYTES", 100)
    write_fused(result, tmp_path / "big.tif")
    kinds = {}
    for name in ("small", "big"):
        with tifffile.TiffFile(tmp_path / f"{name}.tif") as tif:
            kinds[name] = tif.is_bigtiff
    assert kinds == {"small": False, "big": True}


# Writes 4 MB image and maps where the disk, or the size a file may have, ends at 1 MB; tells what came of it as JSON.
FULL_DISK = """
import json, os, resource, shutil, sys
import numpy as np
from pathlib import Path
from napari_swinfusion.focal_stack import FusedImage
from napari_swinfusion.io import write_fused

folder, how = Path(sys.argv[1]), sys.argv[2]
(folder / "fused.tif").write_text("the result of yesterday")
if how == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
if how == "race":
    # Room enough when asked; another program has taken it when it is needed.
    honest = shutil.disk_usage
    shutil.disk_usage = lambda path: honest(path)._replace(free=2**40)
map_ = np.zeros((256, 256), np.uint8)
result = FusedImage(image=np.ones((1024, 2048), np.uint16), decision=map_, confidence=map_.astype("f4"),
                    depth=map_.astype("f4"), provenance={}, axes="YX", decision_axes="YX")
try:
    write_fused(result, folder / "fused.tif", decision=folder / "d.tif", confidence=folder / "c.tif", overwrite=True)
    outcome = "written"
except Exception as error:
    outcome = f"{type(error).__name__}: {error}"
print(json.dumps({"outcome": outcome, "left": sorted(os.listdir(folder)),
                  "old": (folder / "fused.tif").read_bytes()[:30].decode("latin1")}))
"""


def run_on_full_disk(folder: Path, how: str, prefix: tuple[str, ...] = ()) -> dict[str, Any]:
    """Run the script above and return what it tells."""
    command = [*prefix, sys.executable, "-c", FULL_DISK, str(folder), how]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if prefix and done.returncode and not done.stdout:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()[-120:]}")
    return dict(json.loads(done.stdout))


@pytest.mark.skipif(os.name != "posix", reason="limits on the size of a file are POSIX")
def test_C1_a_write_that_breaks_off_leaves_nothing_new(tmp_path: Path) -> None:
    told = run_on_full_disk(tmp_path, "limit")
    assert told["outcome"].startswith("DiskFullError")
    assert told["left"] == ["fused.tif"]
    assert told["old"] == "the result of yesterday"


@pytest.mark.skipif(shutil.which("unshare") is None, reason="a private small disk needs unshare")
@pytest.mark.parametrize("how", ["disk", "race"])
def test_C1_a_full_disk_leaves_nothing_new(tmp_path: Path, how: str) -> None:
    # The mount lives in a name space of its own and ends with the process.
    mount = f'mount -t tmpfs -o size=1m none "{tmp_path}" && exec "$@"'
    told = run_on_full_disk(tmp_path, how, ("unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh"))
    assert told["outcome"].startswith("DiskFullError")
    assert "MB needed" in told["outcome"]
    assert told["left"] == ["fused.tif"]
    assert told["old"] == "the result of yesterday"


def test_C1_needed_and_free_room_are_told_before_anything_is_written(
    tmp_path: Path, result: FusedImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DiskFullError, match=r"0\.1 MB needed, 0\.1 MB free"):
        write_fused(result, tmp_path / "fused.tif")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, ValueError, SystemExit])
def test_C1_whatever_interrupts_leaves_nothing_new(
    tmp_path: Path, result: FusedImage, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    write = write_room._write_tiff

    def interrupted(output: Any, partial: Path) -> None:
        write(output, partial)
        if "confidence" in output.name:
            raise error

    monkeypatch.setattr(write_room, "_write_tiff", interrupted)
    with pytest.raises(error):
        write_fused(result, tmp_path / "f.tif", decision=tmp_path / "d.tif", confidence=tmp_path / "c.tif")
    assert list(tmp_path.iterdir()) == []


def refuses(times: int) -> Callable[[Any, Any], None]:
    """Return an os.replace that another program blocks `times` times."""
    left = [times]
    replace_ = os.replace

    def blocked(source: Any, target: Any) -> None:
        if left[0] > 0:
            left[0] -= 1
            raise PermissionError(13, "Access is denied")
        replace_(source, target)

    return blocked


def test_C4_a_replace_that_is_blocked_for_a_moment_is_repeated(
    tmp_path: Path, result: FusedImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "replace", refuses(3))
    write_fused(result, tmp_path / "fused.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "fused.tif"), result.image)


def test_C4_a_replace_that_stays_blocked_ends_after_two_seconds(
    tmp_path: Path, result: FusedImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "replace", refuses(10**9))
    started = time.monotonic()
    with pytest.raises(SaveError, match="Access is denied"):
        write_fused(result, tmp_path / "fused.tif")
    assert 1 < time.monotonic() - started < 4
    assert list(tmp_path.iterdir()) == []


def test_C5_an_existing_result_is_kept_and_a_free_name_offered(tmp_path: Path, result: FusedImage) -> None:
    (tmp_path / "fused.ome.tif").write_text("yesterday")
    with pytest.raises(OutputExistsError, match=r"fused-2\.ome\.tif"):
        write_fused(result, tmp_path / "fused.ome.tif")
    assert (tmp_path / "fused.ome.tif").read_text() == "yesterday"
    write_fused(result, tmp_path / "fused.ome.tif", overwrite=True)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "fused.ome.tif"), result.image)


def test_C5_a_taken_map_keeps_the_image_from_being_written(tmp_path: Path, result: FusedImage) -> None:
    (tmp_path / "d.tif").write_text("yesterday")
    with pytest.raises(OutputExistsError):
        write_fused(result, tmp_path / "f.tif", decision=tmp_path / "d.tif")
    assert [path.name for path in tmp_path.iterdir()] == ["d.tif"]


def test_C5_a_file_that_appears_meanwhile_is_kept(
    tmp_path: Path, result: FusedImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = write_room._write_tiff

    def slow(output: Any, partial: Path) -> None:
        write(output, partial)
        output.path.write_text("of another program")

    monkeypatch.setattr(write_room, "_write_tiff", slow)
    with pytest.raises(OutputExistsError, match="meanwhile"):
        write_fused(result, tmp_path / "f.tif")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["of another program"]


def inputs_in(folder: Path) -> list[Path]:
    """Write two planes and return them."""
    planes = [folder / "z1.tif", folder / "z2.tif"]
    for path in planes:
        tifffile.imwrite(path, np.zeros((8, 8), np.uint8), metadata=None)
    return planes


@pytest.mark.parametrize("given", ["files", "folder"])
def test_C5_an_input_is_never_overwritten(tmp_path: Path, result: FusedImage, given: str) -> None:
    planes = inputs_in(tmp_path)
    before = planes[1].read_bytes()
    inputs = planes if given == "files" else [tmp_path]
    with pytest.raises(OutputExistsError, match="is an input"):
        write_fused(result, planes[1], overwrite=True, inputs=inputs)
    assert planes[1].read_bytes() == before


def test_C5_an_input_folder_may_hold_the_result(tmp_path: Path, result: FusedImage) -> None:
    inputs_in(tmp_path)
    for _ in range(2):
        write_fused(result, tmp_path / "fused.ome.tif", overwrite=True, inputs=[tmp_path])
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "fused.ome.tif"), result.image)


@pytest.mark.parametrize("kind", ["symlink", "hard link", "folder link", "detour"])
def test_C5_an_input_by_another_name_is_never_overwritten(tmp_path: Path, result: FusedImage, kind: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    plane = inputs_in(home)[0]
    before = plane.read_bytes()
    alias = tmp_path / "alias.tif"
    if kind == "symlink":
        alias.symlink_to(plane)
    elif kind == "hard link":
        alias.hardlink_to(plane)
    elif kind == "folder link":
        (tmp_path / "link").symlink_to(home, target_is_directory=True)
        alias = tmp_path / "link" / plane.name
    else:
        alias = home / ".." / "home" / plane.name
    with pytest.raises(OutputExistsError, match="is an input"):
        write_fused(result, alias, overwrite=True, inputs=[plane])
    assert plane.read_bytes() == before


def test_C5_names_that_differ_in_case_only_are_one_input_where_the_disk_says_so(
    tmp_path: Path, result: FusedImage
) -> None:
    plane = inputs_in(tmp_path)[0]
    upper = tmp_path / "Z1.TIF"
    if not upper.exists():
        # A disk that tells case apart: another file, which may be written.
        write_fused(result, upper, inputs=[plane])
        assert plane.exists()
        assert upper.exists()
        return
    with pytest.raises(OutputExistsError, match="is an input"):
        write_fused(result, upper, overwrite=True, inputs=[plane])


def test_C5_a_stack_is_never_written_over_its_source(tmp_path: Path) -> None:
    path = tmp_path / "stack.ome.tif"
    stack = FocalStack(data=np.zeros((3, 8, 8), np.uint8), axes="ZYX")
    write_stack(stack, path)
    with pytest.raises(OutputExistsError, match="is an input"):
        write_stack(replace(stack, source=str(path)), path, overwrite=True)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user whom permissions bind")
def test_C5_a_folder_that_may_not_be_written_is_named(tmp_path: Path, result: FusedImage) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    with pytest.raises(SaveError, match="locked"):
        write_fused(result, folder / "f.tif")
