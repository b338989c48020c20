"""The docs say what is true: the fault list, the commands and the code they show, and the pictures they point at."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def code_blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_fault_list_names_the_tests_that_exist() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "fault_table.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_reference_pages_say_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "reference_pages.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_make_target_that_the_docs_name_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {target for page in PAGES for target in re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8"))}
    named |= {
        target for block in code_blocks(README, "sh") for target in re.findall(r"^make ([a-z-]+)", block, re.MULTILINE)
    }
    assert {"demo", "test"} <= named
    assert named <= targets


def test_every_command_that_the_docs_name_has_a_help_page() -> None:
    blocks = [block for page in PAGES for block in code_blocks(page, "sh")]
    commands = {command for block in blocks for command in re.findall(r"^swinfusion ([a-z]+)", block, re.MULTILINE)}
    assert {"fuse", "models", "demo"} <= commands
    swinfusion = Path(sys.executable).with_name("swinfusion")
    for command in sorted(commands):
        done = subprocess.run([swinfusion, command, "--help"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"swinfusion {command}: {done.stderr}"


@pytest.mark.parametrize("page", [page for page in PAGES if code_blocks(page, "python")], ids=lambda page: page.stem)
def test_the_python_that_the_docs_show_runs(page: Path, tmp_path: Path) -> None:
    # A reader has a stack of their own; the simulator's stands in for it.
    setting = (
        "import napari_swinfusion as nsf\nfrom napari_swinfusion.io import write_stack\nfrom pathlib import Path\n"
    )
    stack = "write_stack(nsf.simulate(n_planes=4, height=96, width=96).stack, Path('organoids.tif'))\n"
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([setting + stack, *code_blocks(page, "python")])],
        cwd=tmp_path,
        env={**os.environ, "SWINFUSION_MODELS": str(tmp_path / "models")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_the_examples_run(example: Path, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, example], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_there_is_python_to_run_in_the_readme() -> None:
    assert code_blocks(README, "python")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


def test_the_pages_build_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
