"""Fill the last column of the fault list in the docs from the tests: which test shows that a fault is handled.

A test belongs to a fault by its name: `test_A2_truncated_tiff` is the proof of row A2, and a name may
hold several ids. Without `--write` the page is
only compared, which is what the contract test does.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "faults.md"
ROW = re.compile(r"^\| (?P<id>[A-E]\d+) \|(?P<middle>.*)\|[^|]*\|$")
TEST = re.compile(r"^test_(?P<ids>([A-E]\d+_)+)")
ABSENT = "not supported yet"


def proofs() -> dict[str, list[str]]:
    """Return the test names of each fault id, with the file they stand in."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (named := TEST.match(node.name)):
                for fault in named["ids"].strip("_").split("_"):
                    found.setdefault(fault, []).append(f"`{path.relative_to(ROOT / 'tests')}::{node.name}`")
    return found


def filled(page: str, tests: dict[str, list[str]]) -> str:
    """Return the page with the last column of every row as the tests say.

    Raises
    ------
    ValueError
        If a test names a fault that has no row.
    """
    rows = {row["id"] for line in page.splitlines() if (row := ROW.match(line))}
    if strays := sorted(set(tests) - rows):
        raise ValueError(f"Tests name faults that {PAGE.name} has no row for: {', '.join(strays)}")
    lines = []
    for line in page.splitlines():
        if row := ROW.match(line):
            line = f"| {row['id']} |{row['middle']}| {', '.join(tests.get(row['id'], [ABSENT]))} |"
        lines.append(line)
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or compare the page; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the page instead of comparing it")
    write = parser.parse_args().write
    page = PAGE.read_text(encoding="utf-8")
    wanted = filled(page, proofs())
    if write:
        PAGE.write_text(wanted, encoding="utf-8")
    elif page != wanted:
        sys.stderr.write(f"{PAGE.relative_to(ROOT)} is behind the tests; run: make docs\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
