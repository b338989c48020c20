"""What must never stand in the package: ways by which a file that a stranger gave could run code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))

FORBIDDEN = {
    "pickle": r"\bimport\s+(c?pickle|dill|joblib|cloudpickle)\b|\bfrom\s+(c?pickle|dill|joblib|cloudpickle)\b",
    "unsafe torch.load": r"weights_only\s*=\s*False|\btorch\.load\((?!.*weights_only\s*=\s*True)",
    "TorchScript": r"\btorch\.jit\.load\b",
    "allow_pickle": r"allow_pickle\s*=\s*True",
    "yaml.load": r"\byaml\.(unsafe_)?load\(",
    "eval": r"(?<![\w.])(eval|exec)\(",
    "shell": r"shell\s*=\s*True|\bos\.system\(",
    "extractall": r"\.extractall\(",
}


@pytest.mark.parametrize("danger", FORBIDDEN)
def test_no_source_file_can_run_code_from_data(danger: str) -> None:
    pattern = re.compile(FORBIDDEN[danger])
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert SOURCES
    assert not found


def test_the_patterns_find_what_they_forbid() -> None:
    samples = {
        "pickle": "import pickle",
        "unsafe torch.load": "torch.load(path, map_location='cpu')",
        "TorchScript": "torch.jit.load(path)",
        "allow_pickle": "np.load(path, allow_pickle=True)",
        "yaml.load": "yaml.load(text)",
        "eval": "value = eval(text)",
        "shell": "run(command, shell=True)",
        "extractall": "archive.extractall(folder)",
    }
    assert {danger for danger, line in samples.items() if re.search(FORBIDDEN[danger], line)} == set(FORBIDDEN)
    assert not re.search(FORBIDDEN["eval"], "network.eval()")
