"""Quality of a fused image, with a known truth, against its sources, or of its depth; `registry.METRICS` lists all."""
