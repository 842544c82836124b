from pathlib import Path

import pytest
from pretraining_volumes import write_volumes


@pytest.fixture(scope="session")
def a_folder_of_volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_volumes(tmp_path_factory.mktemp("volumes"))
