"""Fixtures of the scoring tests."""

from pathlib import Path

import pytest

from toy import Toy


@pytest.fixture(scope="module")
def toy_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("toy")


@pytest.fixture
def toy(toy_dir: Path) -> Toy:
    return Toy(toy_dir)
