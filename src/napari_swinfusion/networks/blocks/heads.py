"""The one rule of multi-head attention: heads share the channels evenly."""

from napari_swinfusion.errors import ConfigError


def check_heads(dim: int, num_heads: int) -> None:
    """Raise `ConfigError`, naming the nearest number of heads that fits, unless `num_heads` divides `dim`."""
    if num_heads < 1 or dim % num_heads:
        fitting = [heads for heads in range(1, dim + 1) if dim % heads == 0]
        near = min(fitting, key=lambda heads: abs(heads - num_heads))
        raise ConfigError(f"{num_heads} heads cannot share {dim} channels evenly; the nearest number is {near}.")
