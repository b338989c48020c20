"""Memory that a training process frees stays with it."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
from napari_swinfusion.training.memory import keep_freed_memory

keep_freed_memory()
b"x" * 2**26
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
b"x" * 2**26
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator of glibc is meant")
def test_a_large_block_is_fetched_from_the_system_once() -> None:
    run = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, timeout=120, check=True)
    assert int(run.stdout) < 1000  # Of its 16384 pages.
