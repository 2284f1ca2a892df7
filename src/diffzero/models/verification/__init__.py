"""Verification of checkpoints before anything is computed with them.

Tensors are compared by name and shape with the part's own configuration, from the headers of the files alone. Configuration keys are
looked up in tables, and tokenizers are run on a known sentence. Importing this package does not import PyTorch.
"""
