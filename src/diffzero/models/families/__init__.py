"""The adapters: one file per model family."""
