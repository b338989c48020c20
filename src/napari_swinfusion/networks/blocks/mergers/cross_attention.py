"""Cross-window attention: each source asks what the others show in the same window, then all become one."""

from __future__ import annotations

from einops import rearrange
from torch import Tensor

from napari_swinfusion.networks.blocks.entry import Block
from napari_swinfusion.networks.blocks.layer_norm import LayerNorm
from napari_swinfusion.networks.blocks.local import padded
from napari_swinfusion.networks.blocks.mergers.concat import ConcatMerger
from napari_swinfusion.networks.blocks.reach import Cells
from napari_swinfusion.networks.blocks.window_attention import WindowAttention
from napari_swinfusion.networks.blocks.windows import in_windows


class CrossAttentionMerger(Block):
    """Queries from each source, keys and values from the mean of the others; then `ConcatMerger`.

    After the cross-domain fusion of SwinFusion (Ma et al., 2022; documents 000 and 001), where A asks B and B asks A:
    that is n = 2 here. Changed: the mean of the others makes n free at a cost that grows with n, not n²; the attention
    is that of SwinV2, normalised before and after. One source attends to itself.

    Parameters
    ----------
    num_heads
        Must divide `dim`.
    window_size
        Side of a window in tokens.
    """

    def __init__(self, dim: int, *, num_heads: int = 2, window_size: int = 8) -> None:
        super().__init__()
        self.layers = (Cells(window_size), *ConcatMerger.layers)
        self.norm = LayerNorm(dim)
        self.attention = WindowAttention(dim, num_heads, window_size)
        self.norm_attention = LayerNorm(dim)
        self.concat = ConcatMerger(dim)

    def forward(self, sources: Tensor) -> Tensor:
        """Return `(b, c, h, w)` from sources `(b, n, c, h, w)`."""
        n, (height, width) = sources.shape[1], sources.shape[-2:]
        bias = self.attention.position_bias()

        def ask(windows: Tensor, _: Tensor | None) -> Tensor:
            others = (windows.sum(1, keepdim=True) - windows) / (n - 1) if n > 1 else windows
            answer: Tensor = self.norm_attention(self.attention(windows, bias, others))
            return answer

        tokens = self.norm(rearrange(padded(sources.flatten(0, 1), self.multiple), "(b n) c h w -> b n h w c", n=n))
        answers = rearrange(in_windows(ask, tokens, size=self.multiple, shift=0), "b n h w c -> b n c h w")
        merged: Tensor = self.concat(sources + answers[..., :height, :width])
        return merged
