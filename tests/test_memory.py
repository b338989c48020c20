"""Memory that is freed stays with the process as far as it was told."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
from napari_swinfusion import memory

for rule in {rules}:
    getattr(memory, rule)()
kept = [b"x" * size for size in {sizes}]
del kept
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
kept = [b"x" * size for size in {sizes}]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES = 2**26 // 4096


def faults(rules: list[str], sizes: list[int]) -> int:
    """Return the page faults of blocks of these sizes, bytes, in the memory of others that were freed before."""
    code = FAULTS.format(rules=rules, sizes=sizes)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    return int(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator of glibc is meant")
def test_freed_blocks_are_fetched_from_the_system_once() -> None:
    assert faults(["keep_freed_memory"], [2**26]) < PAGES // 10
    assert faults(["keep_freed_bands"], [2**23] * 8) < PAGES // 10


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator of glibc is meant")
def test_a_process_that_keeps_all_still_does_once_it_fuses() -> None:
    assert faults(["keep_freed_memory", "keep_freed_bands"], [2**28]) < PAGES // 10


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator of glibc is meant")
def test_blocks_larger_than_a_band_go_back_to_the_system() -> None:
    assert faults(["keep_freed_bands"], [2**26]) > PAGES // 2
