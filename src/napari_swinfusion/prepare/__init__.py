"""Before deciding: shifts, illumination and grey levels, measured once per time point and recorded."""

from napari_swinfusion.prepare.prepared import PreparedStack, Register, UsablePlanes, prepare

__all__ = ["PreparedStack", "Register", "UsablePlanes", "prepare"]
