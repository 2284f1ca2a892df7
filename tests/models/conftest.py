"""Tiny checkpoints of all families, written when a test first uses them."""

from pathlib import Path

import pytest

from families import write_checkpoint


class Checkpoints(dict[str, Path]):
    """Checkpoint directories by family."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __missing__(self, name: str) -> Path:
        self[name] = write_checkpoint(name, self.root / str(len(self)))
        return self[name]


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    return Checkpoints(tmp_path_factory.mktemp("checkpoints"))
