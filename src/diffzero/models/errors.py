"""The error of a checkpoint that cannot be used."""


class CheckpointError(ValueError):
    """A checkpoint folder is missing, incomplete, changed, of an unknown family, or configured in a way that is not supported."""
