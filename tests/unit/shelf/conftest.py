"""An empty folder of cassettes."""

import pytest
from shelf_folder import Folder


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)
