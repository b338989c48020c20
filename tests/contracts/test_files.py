"""Files and functions stay short, nothing names one machine, and weights are the only binaries in the package."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = sorted(
    path for room in ("src", "tests", "tools", "benchmarks", "examples") for path in (ROOT / room).rglob("*.py")
)
LONGEST_FILE = 400
LONGEST_FUNCTION = 60


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_hold_one_idea(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    long = {node.name: lines for node in functions if (lines := lines_of_code(node)) > LONGEST_FUNCTION}
    assert not long


def lines_of_code(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function without its docstring: a public verb may explain each of its parameters."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and ast.get_docstring(function) is not None
    return function.end_lineno - function.lineno + 1 - (first.end_lineno - first.lineno + 1 if documented else 0)


def tracked_files() -> list[Path]:
    """Return the files git knows, or skip where this is not a checkout."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_file_names_a_place_on_one_machine() -> None:
    homes = re.compile(r"(?<![\w.])/(?:home|root|Users|work|opt)/\w|[A-Z]:\\\\Users")
    texts = (".py", ".md", ".toml", ".yaml", ".yml", ".cff", ".txt", ".json", "Makefile", "run")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked_files()
        if path.name.endswith(texts) and path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if homes.search(line)
    ]
    assert not found


def test_binaries_are_shipped_weights_and_small_pictures() -> None:
    # 3 MB a file: a clone stays quick, and no data set slips in.
    heavy = {str(path.relative_to(ROOT)) for path in tracked_files() if path.stat().st_size > 3_000_000}
    assert not heavy
    strange = {path.suffix for path in tracked_files()} & {".pt", ".pth", ".pkl", ".npy", ".pyc", ".so", ".zip"}
    assert not strange
