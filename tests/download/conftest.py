"""Fixture for tests of downloads."""

import pytest

from hub_files import BIG, LARGE, NAME, SMALL
from hub_server import FakeHub


@pytest.fixture
def hub(fake_hub: FakeHub) -> FakeHub:
    """Return a hub with one repository of three files."""
    fake_hub.repositories["models", NAME] = {SMALL: b'{"a": 1}', LARGE: BIG, "notes.txt": b"hello"}
    return fake_hub
