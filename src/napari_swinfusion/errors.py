"""Every exception this package raises on purpose, in one tree.

A message is one sentence for the user: what is wrong, in which file or layer, and what to do.
Errors a user can mend also subclass the built-in they resemble, so that scripts need not import this module.
"""


class SwinFusionError(Exception):
    """The root: anything this package raises on purpose."""


class InputError(SwinFusionError, ValueError):
    """The given stack, option or combination cannot be fused as it is."""


class AxesError(InputError):
    """The axes of the data are unknown or contradict its shape."""


class ConfigError(InputError):
    """A configuration has an unknown key or an impossible value."""


class LoadError(SwinFusionError, OSError):
    """A file is missing, damaged or not what its name says."""


class OutputExistsError(SwinFusionError, FileExistsError):
    """The output exists already, or is the input."""


class SaveError(SwinFusionError, OSError):
    """An output cannot be written where it should go."""


class DiskFullError(SaveError):
    """The disk has too little room for the output."""


class ModelError(SwinFusionError, ValueError):
    """A model is unknown, damaged or does not fit the job."""


class OutOfMemoryError(SwinFusionError, MemoryError):
    """Even the smallest tile does not fit the device's memory."""


class TrainingError(SwinFusionError, RuntimeError):
    """A training cannot go on; what was learned before is kept."""


class CancelledError(SwinFusionError):
    """The user cancelled the job; nothing was written."""
