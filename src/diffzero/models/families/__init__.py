"""The adapters of the model families, one file per family. `diffzero.models.registry` finds them here automatically."""
