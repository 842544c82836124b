"""Says in one sentence which system package is missing for Qt and VTK without a screen.

python Testing/Tools/check_system_libraries.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Python"))

from slicer_harness.libraries import check_libraries


def main() -> int:
    """Returns the exit status: 0 when everything is there."""
    try:
        check_libraries()
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
