"""The attribute-binding scenes and tasks."""
