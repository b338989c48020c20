"""How the program starts, refuses, fails and is stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_swinfusion import __version__, pipeline
from napari_swinfusion.cli.app import app
from napari_swinfusion.decide.registry import list_models
from napari_swinfusion.io import read_stack, write_stack

RUN = [sys.executable, "-c", "from napari_swinfusion.cli import main; main()"]


@pytest.fixture
def stack_file(tmp_path: Path, scene: Any) -> Path:
    """Return an OME-TIFF of five planes in a folder of its own."""
    (tmp_path / "in").mkdir()
    return write_stack(scene.stack, tmp_path / "in" / "stack.ome.tif")


def test_help_loads_nothing_heavy() -> None:
    ask = "import sys, napari_swinfusion.cli.app as c\ntry: c.run(['--help'])\nexcept SystemExit: pass\n"
    show = "print({m for m in ('torch', 'scipy', 'skimage', 'tifffile', 'napari') if m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", ask + show], capture_output=True, text=True, check=True)
    assert "fuse" in done.stdout
    assert done.stdout.rstrip().endswith("set()")


def test_version() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout.strip()) == (0, f"napari-swinfusion {__version__}")


@pytest.mark.parametrize(
    "arguments",
    [
        ["melt"],
        ["fuse"],
        ["fuse", "stack.tif"],
        ["fuse", "stack.tif", "-o", "f.tif", "--register", "rotation"],
        ["fuse", "stack.tif", "-o", "f.tif", "--tile", "0"],
        ["fuse", "stack.tif", "-o", "f.tif", "--colour"],
        ["models", "info"],
        ["simulate"],
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert "Traceback" not in done.output


def test_a_failure_is_one_sentence_on_stderr_and_status_1(tmp_path: Path) -> None:
    done = subprocess.run(
        [*RUN, "fuse", str(tmp_path / "absent.tif"), "-o", str(tmp_path / "f.tif")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "absent.tif" in done.stderr


def test_debug_shows_where_a_failure_came_from(tmp_path: Path) -> None:
    done = subprocess.run(
        [*RUN, "--debug", "fuse", str(tmp_path / "absent.tif"), "-o", str(tmp_path / "f.tif")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "LoadError" in done.stderr


@pytest.mark.parametrize("error", [RuntimeError("device-side assert"), MemoryError("of 3 GiB"), ZeroDivisionError()])
def test_a_fault_of_the_program_is_told_with_its_own_words(
    tmp_path: Path, stack_file: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(pipeline, "fuse", failing)
    done = CliRunner().invoke(app, ["fuse", str(stack_file), "-o", str(tmp_path / "f.tif")])
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert str(error) in done.stderr
    assert "Traceback" not in done.stderr


STOPPED = """
import signal, sys
import napari_swinfusion.io.write as room
from napari_swinfusion import pipeline
from napari_swinfusion.cli import main

which, where = getattr(signal, sys.argv[1]), sys.argv[2]
fuse, write = pipeline.fuse, room._write_tiff

def stopped_fusing(stack, *, progress, **options):
    def report(step):
        progress(step)
        signal.raise_signal(which)
    return fuse(stack, progress=report, **options)

def stopped_writing(output, partial):
    write(output, partial)
    signal.raise_signal(which)

if where == "fusing":
    pipeline.fuse = stopped_fusing
else:
    room._write_tiff = stopped_writing
sys.argv = ["swinfusion", *sys.argv[3:]]
main()
"""


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
@pytest.mark.parametrize("where", ["fusing", "writing"])
def test_stopping_leaves_no_files(tmp_path: Path, stack_file: Path, name: str, status: int, where: str) -> None:
    (tmp_path / "out").mkdir()
    arguments = ["fuse", str(stack_file), "-o", str(tmp_path / "out" / "f.tif"), "--model", "tenengrad"]
    # Whoever runs the tests in the background may have been told to ignore Ctrl-C.
    heeding = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n{STOPPED}"
    done = subprocess.run(
        [sys.executable, "-c", heeding, name, where, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_a_ctrl_c_that_a_shell_told_to_ignore_is_ignored(tmp_path: Path, stack_file: Path) -> None:
    arguments = ["fuse", str(stack_file), "-o", str(tmp_path / "f.tif"), "--model", "tenengrad"]
    ignoring = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n{STOPPED}"
    done = subprocess.run(
        [sys.executable, "-c", ignoring, "SIGINT", "fusing", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "f.tif").exists()


def test_the_signal_handler_is_given_back(tmp_path: Path, stack_file: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    CliRunner().invoke(app, ["fuse", str(stack_file), "-o", str(tmp_path / "f.tif"), "--model", "mean"])
    assert signal.getsignal(signal.SIGINT) is before


def test_models_list_names_all_of_them() -> None:
    done = CliRunner().invoke(app, ["models", "list"])
    assert done.exit_code == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [info.name for info in list_models()]
    as_json = json.loads(CliRunner().invoke(app, ["models", "list", "--json"]).stdout)
    assert [info["name"] for info in as_json] == [info.name for info in list_models()]


@pytest.mark.parametrize("name", [info.name for info in list_models()])
def test_models_info_tells_the_facts(name: str) -> None:
    done = CliRunner().invoke(app, ["models", "info", name, "--json"])
    assert done.exit_code == 0, done.stderr
    facts = json.loads(done.stdout)
    (info,) = [info for info in list_models() if info.name == name]
    assert (facts["summary"], facts["value_preserving"]) == (info.summary, info.value_preserving)
    if info.sha256 is not None:
        assert facts["parameters"] > 0
    assert info.summary in CliRunner().invoke(app, ["models", "info", name]).stdout


def test_an_unknown_model_is_answered_with_a_near_one() -> None:
    done = CliRunner().invoke(app, ["models", "info", "tenengrat"])
    assert done.exit_code == 1
    assert "tenengrad" in done.stderr


def test_simulate_writes_stacks_with_their_answers(tmp_path: Path) -> None:
    arguments = ["simulate", "-o", str(tmp_path / "new"), "-n", "2", "--planes", "4", "--size", "64"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.stderr
    files = [Path(line) for line in done.stdout.splitlines()]
    stories = [json.loads(path.read_text()) for path in files if path.suffix == ".json"]
    assert len(stories) == 2
    stacks = [read_stack(tmp_path / "new" / story["files"]["stack"]) for story in stories]
    assert [stack.data.shape for stack in stacks] == [(4, 64, 64)] * 2
    assert not np.array_equal(stacks[0].read(), stacks[1].read())
    for story, stack in zip(stories, stacks, strict=True):
        assert stack.metadata.z_step == pytest.approx(story["microscope"]["z_step"])
        answers = {
            role: read_stack(tmp_path / "new" / story["files"][role]).read()[0, 0]
            for role in ("truth", "height", "nearest")
        }
        nearest = answers["nearest"]
        assert set(np.unique(nearest)) <= {-1, 0, 1, 2, 3}
        height = np.rint(answers["height"] / story["microscope"]["z_step"])
        assert np.array_equal(height[nearest >= 0], nearest[nearest >= 0])
        assert answers["truth"].min() > 0
    assert CliRunner().invoke(app, arguments).exit_code == 1


def test_simulate_takes_textures_and_a_microscope_of_ones_own(tmp_path: Path) -> None:
    stripes = np.tile(np.array([0, 0, 200, 200], np.uint8), (128, 32))
    tifffile.imwrite(tmp_path / "stripes.tif", stripes)
    arguments = ["simulate", "-o", str(tmp_path / "new"), "--preset", "reflected", "--size", "48", "--planes", "3"]
    arguments += ["--photons", "0", "--na", "0.2", "--z-step", "12", "--strands", "2", "--strand-drift", "1.5"]
    done = CliRunner().invoke(app, [*arguments, "--textures", str(tmp_path)])
    assert done.exit_code == 0, done.stderr
    story = json.loads(Path(done.stdout.splitlines()[-1]).read_text())
    assert (story["microscope"]["numerical_aperture"], story["microscope"]["z_step"]) == (0.2, 12)
    assert story["camera"]["photons"] is None
    assert (story["strands"], story["strand_drift"]) == (2, 1.5)
    (tmp_path / "empty").mkdir()
    refused = CliRunner().invoke(app, [*arguments, "--textures", str(tmp_path / "empty")])
    assert refused.exit_code == 1
    assert "no TIFF, PNG or JPEG" in refused.stderr
