"""Published SwinFusion and Restormer checkpoints as networks of this project.

Written from the names, shapes and test vectors of published files. The geometry is read from the shapes: options that
are stored beside published weights are known not to be those that made them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil, isqrt
from pathlib import Path
from typing import Any

from torch import Tensor

from napari_swinfusion.errors import ConfigError, ModelError
from napari_swinfusion.networks import FusionNetwork, build_network
from napari_swinfusion.weights.checkpoints import read_checkpoint
from napari_swinfusion.weights.files import sha256_of

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What an import used, left out and took for granted.

    Attributes
    ----------
    architecture, config
        The network, as `build_network` takes it.
    parameters
        Numbers used.
    dropped
        Name → why it is not needed.
    assumed
        What no shape tells, one sentence each.
    sha256
        Of the file that was read.
    """

    architecture: str
    config: dict[str, Any]
    parameters: int
    dropped: dict[str, str]
    assumed: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """A published layout: how to know it, its geometry, its names, and what in it is not needed."""

    architecture: str
    sign: str
    geometry: Callable[[Shapes], tuple[dict[str, Any], tuple[str, ...]]]
    renamed: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]
    dropped: tuple[tuple[str, str], ...] = ()


def import_checkpoint(path: Path, *, sha256: str | None = None) -> tuple[FusionNetwork, ImportReport]:
    """Return the network of a published SwinFusion or Restormer checkpoint, in eval mode, and a report.

    Parameters
    ----------
    path
        A `.pt`, `.pth` or `.safetensors` file whose weights lie at its top or under params, params_ema or state_dict.
    sha256
        What the file's SHA-256 must be, where its publisher told it.

    Raises
    ------
    ModelError
        If the file is damaged, unsafe, another one than `sha256` says, or of another network.
    """
    tensors, holder = read_checkpoint(path)
    digest = sha256_of(path)
    if sha256 is not None and digest != sha256.lower():
        raise ModelError(f"'{path}' is not the file its publisher wrote: its SHA-256 is {digest}; get it again.")
    layout = next((known for known in _LAYOUTS if known.sign in tensors), None)
    if layout is None:
        signs = " nor ".join(f"{known.architecture} (no {known.sign})" for known in _LAYOUTS)
        first = ", ".join(sorted(tensors)[:3])
        raise ModelError(f"'{path}' is a checkpoint neither of {signs}; its first weights are {first}.")
    try:
        config, assumed = layout.geometry({name: tuple(tensor.shape) for name, tensor in tensors.items()})
        network = build_network(layout.architecture, config)
    except (LookupError, ValueError) as error:
        reason = error if isinstance(error, ConfigError) else f"there is no {error}"
        raise ModelError(
            f"'{path}' begins like a {layout.architecture}, but its geometry cannot be read: {reason}."
        ) from error
    ours, dropped = _translated(layout, tensors)
    _check(path, layout, config, network, ours)
    network.load_state_dict({name: tensor.float() for name, tensor in ours.items()})
    if holder is not None:
        assumed = (f"The weights under '{holder}' are the ones to use.", *assumed)
    report = ImportReport(
        architecture=layout.architecture,
        config=config,
        parameters=sum(tensor.numel() for tensor in ours.values()),
        dropped=dropped,
        assumed=assumed,
        sha256=digest,
    )
    return network.eval(), report


def _translated(layout: _Layout, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    ours: dict[str, Tensor] = {}
    dropped = {}
    for name, tensor in tensors.items():
        reason = next((why for pattern, why in layout.dropped if re.search(pattern, name)), None)
        if reason is not None:
            dropped[name] = reason
            continue
        renamed = _renamed(layout, name)
        if layout.architecture == "swinfusion" and ".qkv." in renamed:
            third = len(tensor) // 3
            ours[renamed.replace(".qkv.", ".query.")] = tensor[:third]
            ours[renamed.replace(".qkv.", ".key_value.")] = tensor[third:]
        elif renamed == "position":
            side = isqrt(tensor.shape[1])
            ours[renamed] = tensor.reshape(side, side, -1)
        else:
            ours[renamed] = tensor
    return ours, dropped


def _renamed(layout: _Layout, name: str) -> str:
    for pattern, replacement in layout.renamed:
        name = re.sub(pattern, replacement, name)
    return name


def _check(
    path: Path, layout: _Layout, config: dict[str, Any], network: FusionNetwork, ours: Mapping[str, Tensor]
) -> None:
    expected = network.state_dict()
    wrong = {
        "missing": expected.keys() - ours.keys(),
        "unexpected": ours.keys() - expected.keys(),
        "of another shape": {
            name for name in expected.keys() & ours.keys() if expected[name].shape != ours[name].shape
        },
    }
    if any(wrong.values()):
        lists = "; ".join(f"{kind}: {', '.join(sorted(names)[:5])}" for kind, names in wrong.items() if names)
        sizes = ", ".join(f"{key} {value}" for key, value in config.items())
        raise ModelError(f"'{path}' is no whole {layout.architecture} with {sizes}; {lists}.")


def _swinfusion_geometry(shapes: Shapes) -> tuple[dict[str, Any], tuple[str, ...]]:
    first = "layers_Ex_A.0.residual_group.blocks.0."
    dim, channels = shapes["conv_first2_A.weight"][0], shapes["conv_first1_A.weight"][1]
    window = (isqrt(shapes[first + "attn.relative_position_bias_table"][0]) + 1) // 2
    config: dict[str, Any] = {
        "channels": channels,
        "dim": dim,
        "window_size": window,
        "mlp_ratio": shapes[first + "mlp.fc1.weight"][0] / dim,
        "qkv_bias": first + "attn.qkv.bias" in shapes,
        "patch_norm": "patch_embed.norm.weight" in shapes,
    }
    parts = {"extract": "layers_Ex_A", "fuse": "layers_Fusion", "reconstruct": "layers_Re"}
    for part, layers in parts.items():
        groups = [f"{layers}.{g}.residual_group" for g in range(_count(shapes, rf"{layers}\.(\d+)\."))]
        config[f"{part}_depths"] = [_count(shapes, rf"{re.escape(group)}\.blocks\.(\d+)\.") for group in groups]
        attention = "attn_A" if part == "fuse" else "attn"
        config[f"{part}_heads"] = [
            shapes[f"{group}.blocks.0.{attention}.relative_position_bias_table"][1] for group in groups
        ]
    assumed = ["Queries are scaled by one over the root of the channels of a head, and values by 1."]
    if "upsample.0.weight" in shapes:
        upscale = isqrt(shapes["upsample.0.weight"][0] // channels)
        config |= {"upsampler": "pixelshuffledirect", "upscale": upscale}
    if "absolute_pos_embed" in shapes:
        side = isqrt(shapes["absolute_pos_embed"][1])
        config |= {"absolute_position": True, "image_size": [side, side]}
        assumed.append(f"The table of positions was made for a square image of {side} px.")
    has_buffers = any("relative_position_index" in name for name in shapes)
    if has_buffers and not any("attn_mask" in name for name in shapes):
        # Masks are stored wherever windows are shifted; a network built for one window has none.
        if max(map(max, (config[f"{part}_depths"] for part in parts))) > 1:
            config["image_size"] = [window, window]
    elif not has_buffers:
        assumed.append("Every second block shifts its windows.")
    return config, tuple(assumed)


def _restormer_geometry(shapes: Shapes) -> tuple[dict[str, Any], tuple[str, ...]]:
    dim, inputs = shapes["patch_embed.proj.weight"][:2]
    channels = shapes["output.weight"][0]
    levels = [f"encoder_level{i + 1}" for i in range(_count(shapes, r"encoder_level(\d+)\.", first=1))] + ["latent"]
    hidden = {
        shapes[f"{level}.0.ffn.project_out.weight"][0]: shapes[f"{level}.0.ffn.project_out.weight"][1]
        for level in levels
    }
    config = {
        "n_sources": inputs // channels,
        "channels": channels,
        "dim": dim,
        "depths": [_count(shapes, rf"{level}\.(\d+)\.") for level in levels],
        "refinement_depth": _count(shapes, r"refinement\.(\d+)\."),
        "num_heads": [shapes[f"{level}.0.attn.temperature"][0] for level in levels],
        "mlp_ratio": _ratio(hidden),
        "bias": "encoder_level1.0.attn.qkv.bias" in shapes,
        "norm": "with-bias" if "encoder_level1.0.norm1.body.bias" in shapes else "bias-free",
        "dual_pixel": "skip_conv.weight" in shapes,
    }
    return config, ()


def _ratio(hidden: Mapping[int, int]) -> float:
    # The roundest ratio for which int(dim · ratio) is right at every level.
    least = max(wide / dim for dim, wide in hidden.items())
    for digits in range(6):
        ratio: float = ceil(least * 10**digits) / 10**digits
        if all(int(dim * ratio) == wide for dim, wide in hidden.items()):
            return ratio
    raise ValueError("one width of the feed-forward for all levels")


def _count(names: Iterable[str], pattern: str, first: int = 0) -> int:
    found = {int(match[1]) for name in names if (match := re.match(pattern, name))}
    return max(found) + 1 - first if found else 0


def _branch(letter: str) -> int:
    return "AB".index(letter)


_LAYOUTS = (
    _Layout(
        architecture="swinfusion",
        sign="conv_first1_A.weight",
        geometry=_swinfusion_geometry,
        renamed=(
            (r"^conv_first(\d)_A", lambda m: f"stem.0.{2 * int(m[1]) - 2}"),
            (r"^patch_embed\.norm", "embed.norm"),
            (r"^absolute_pos_embed", "position"),
            (r"^layers_Ex_([AB])\.(\d+)\.residual_group", lambda m: f"extract.{_branch(m[1])}.{m[2]}"),
            (r"^norm_Ex_([AB])", lambda m: f"norm_extract.{_branch(m[1])}"),
            (
                r"^layers_Fusion\.(\d+)\.residual_group_([AB])\.blocks",
                lambda m: f"fuse.{m[1]}.own.{_branch(m[2])}",
            ),
            (
                r"^layers_Fusion\.(\d+)\.residual_group\.blocks\.(\d+)\.(\w+)_([AB])",
                lambda m: f"fuse.{m[1]}.cross.{m[2]}.sources.{_branch(m[4])}.{m[3]}",
            ),
            (r"^norm_Fusion_([AB])", lambda m: f"norm_fuse.{_branch(m[1])}"),
            (r"^conv_after_body_Fusion", "merge.convolution"),
            (r"^layers_Re\.(\d+)\.residual_group", r"reconstruct.\1"),
            (r"^norm_Re", "norm_reconstruct"),
            (r"^conv_last(\d)", lambda m: f"paint.{2 * int(m[1]) - 2}"),
            (r"^upsample\.0", "paint.0"),
            (r"\.norm1\.", ".norm_attention."),
            (r"\.norm2\.", ".norm_mlp."),
            (r"\.mlp\.fc(\d)", lambda m: f".mlp.{2 * int(m[1]) - 2}"),
            (r"\.attn\.", ".attention."),
            (r"\.q\.", ".query."),
            (r"\.kv\.", ".key_value."),
            (r"\.proj\.", ".project."),
            (r"\.relative_position_bias_table", ".position_table"),
        ),
        dropped=(
            (r"^conv_first\d_B\.", "never ran: both sources pass the convolutions of A"),
            (r"\.relative_position_index$", "follows from the window"),
            (r"\.attn_mask$", "follows from the size of the image"),
        ),
    ),
    _Layout(
        architecture="restormer",
        sign="encoder_level1.0.attn.temperature",
        geometry=_restormer_geometry,
        renamed=(
            (r"^patch_embed\.proj", "embed"),
            (r"^encoder_level(\d)", lambda m: f"encoder.{int(m[1]) - 1}"),
            (r"^latent", "encoder.3"),
            (r"^decoder_level(\d)", lambda m: f"decoder.{int(m[1]) - 1}"),
            (r"^down(\d)_\d\.body", lambda m: f"down.{int(m[1]) - 1}"),
            (r"^up\d_(\d)\.body", lambda m: f"up.{int(m[1]) - 1}"),
            (r"^reduce_chan_level(\d)", lambda m: f"reduce.{int(m[1]) - 1}"),
            (r"^skip_conv", "skip"),
            (r"^output", "paint"),
            (r"\.norm1\.body", ".norm_attention"),
            (r"\.norm2\.body", ".norm_feed_forward"),
            (r"\.attn\.qkv_dwconv", ".attention.neighbours"),
            (r"\.attn\.qkv", ".attention.query_key_value"),
            (r"\.attn\.", ".attention."),
            (r"\.ffn\.project_in", ".feed_forward.widen"),
            (r"\.ffn\.dwconv", ".feed_forward.neighbours"),
            (r"\.ffn\.", ".feed_forward."),
            (r"\.project_out", ".project"),
        ),
    ),
)
