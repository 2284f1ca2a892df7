"""Test images, labels and prompts."""
