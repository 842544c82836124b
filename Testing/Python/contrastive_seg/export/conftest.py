from pathlib import Path

import pytest
from exported_runs import trained_run


@pytest.fixture(scope="session")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose network has learnt to do without annotated slices, at least a little."""
    return trained_run(tmp_path_factory.mktemp("läufe"), "unet", 60)
