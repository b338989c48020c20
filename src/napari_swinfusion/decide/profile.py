"""What a network costs: parameters, arithmetic, memory and time, on the processor at hand.

Arithmetic is counted by `torch.utils.flop_counter` on a copy without data; a multiplication with an addition is two
operations. Matrix products, convolutions and attention count, everything else (norms, activations, copies) does not.
"""

from __future__ import annotations

import copy
import statistics
import threading
import time
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from napari_swinfusion.decide.device import choose_device
from napari_swinfusion.errors import InputError, ModelError
from napari_swinfusion.networks import FusionNetwork, build_network, list_architectures, list_presets
from napari_swinfusion.tiling import padded_size
from napari_swinfusion.weights import list_networks, load_model

_SAMPLE_SECONDS = 0.002


@dataclass(frozen=True, kw_only=True)
class NetworkProfile:
    """What one forward of a network costs.

    Attributes
    ----------
    device
        Where it was measured.
    planes, height, width
        Of the stack; the sides are the next multiples that the network takes.
    parameters
        Trained numbers.
    flops
        Floating-point operations of one forward.
    peak_memory
        Bytes at most held at once beyond what was held before, weights and planes left out; on a CPU that of the first
        forward, so too low in a process whose allocator still keeps memory of earlier work.
    seconds
        Median wall time of one forward after a warm-up.
    seconds_spread
        Distance between the quartiles of that time.
    megapixels_per_second
        Pixels of the fused image, in millions, over `seconds`.
    """

    device: str
    planes: int
    height: int
    width: int
    parameters: int
    flops: int
    peak_memory: int
    seconds: float
    seconds_spread: float
    megapixels_per_second: float


def network_by_name(name: str) -> FusionNetwork:
    """Return a shipped network, one of a file, or a registered one with fresh weights, in eval mode.

    Raises
    ------
    ModelError
        If it is none of these, or its file is damaged.
    """
    registered = [*list_architectures(), *list_presets()]
    if name in registered and name not in list_networks():
        torch.manual_seed(0)
        return build_network(name).eval()
    try:
        return load_model(name)
    except ModelError as error:
        raise ModelError(f"{error} Fresh weights can be profiled of: {', '.join(registered)}.") from error


def profile(
    network: FusionNetwork, *, planes: int = 2, size: int = 256, device: str = "auto", repeats: int = 7
) -> NetworkProfile:
    """Measure one forward of `network` on `planes` planes of `size` × `size` px.

    Raises
    ------
    InputError
        If the network does not take that many planes, there is no such device, or a number is too small.
    """
    fewest, most = network.info.planes
    if planes < fewest or (most is not None and planes > most):
        raise InputError(f"The network takes {fewest} to {most or 'any number of'} planes, not {planes}.")
    if size < 1 or repeats < 2:
        raise InputError("A profile needs a size of at least 1 px and at least 2 repeats.")
    place, _ = choose_device(device)
    side = padded_size(size, network.info.size_multiple)
    stack = torch.rand(1, planes, side, side, generator=torch.Generator().manual_seed(0))
    flops = count_flops(network, stack.shape)
    network, stack = network.eval().to(place), stack.to(place)
    # The first forward: later ones reuse what the allocator has kept and show no rise. It warms up, too.
    memory = _peak_memory(network, stack)
    times = sorted(_seconds(network, stack) for _ in range(repeats))
    lower, middle, upper = statistics.quantiles(times, n=4, method="inclusive")
    return NetworkProfile(
        device=str(place),
        planes=planes,
        height=side,
        width=side,
        parameters=sum(weights.numel() for weights in network.parameters()),
        flops=flops,
        peak_memory=memory,
        seconds=middle,
        seconds_spread=upper - lower,
        megapixels_per_second=side * side / 1e6 / middle,
    )


def count_flops(network: FusionNetwork, shape: tuple[int, ...]) -> int:
    """Return the floating-point operations of one forward on planes of `shape` `(b, n, h, w)`, in one piece."""
    empty = copy.deepcopy(network).eval().to("meta")
    counter = FlopCounterMode(
        display=False, custom_mapping={torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops}
    )
    with torch.device("meta"), counter:
        empty(torch.empty(shape))
    return int(counter.get_total_flops())


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


def _forward(network: FusionNetwork, stack: Tensor) -> None:
    with torch.inference_mode():
        network(stack)
    if stack.device.type == "cuda":
        torch.cuda.synchronize(stack.device)
    elif stack.device.type == "mps":
        torch.mps.synchronize()


def _seconds(network: FusionNetwork, stack: Tensor) -> float:
    started = time.perf_counter()
    _forward(network, stack)
    return time.perf_counter() - started


def _peak_memory(network: FusionNetwork, stack: Tensor) -> int:
    if stack.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(stack.device)
        before = torch.cuda.memory_allocated(stack.device)
        _forward(network, stack)
        return int(torch.cuda.max_memory_allocated(stack.device)) - before
    # The processor keeps no such book: the resident memory is looked at every few milliseconds.
    process, done, seen = psutil.Process(), threading.Event(), [0]
    before = process.memory_info().rss

    def watch() -> None:
        while not done.wait(_SAMPLE_SECONDS):
            seen.append(process.memory_info().rss - before)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        _forward(network, stack)
    finally:
        done.set()
        watcher.join()
    return max(seen)
