"""Quality of a fused image: against a known truth, against its sources, of its depth; `METRICS` lists all."""

from napari_swinfusion.metrics.registry import METRICS, Evidence, MetricInfo

__all__ = ["METRICS", "Evidence", "MetricInfo"]
