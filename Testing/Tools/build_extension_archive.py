"""Packs this extension, or another of scripted modules, for *Install from file* of 3D Slicer.

    PYTHONPATH=ContrastiveSeg python Testing/Tools/build_extension_archive.py --slicer-version 5.12 \\
        --slicer-revision 34045 --os linux --arch amd64 --output dist

Needs neither CMake nor Slicer's build tree. ``contrastive-seg weights archive`` does the same.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "ContrastiveSeg"))

from contrastive_seg.errors import ContrastiveSegError  # noqa: E402
from contrastive_seg.extension.archive import Application, build_archive  # noqa: E402


def main() -> int:
    """Builds the archive and says where it is; returns the exit status."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("source", type=Path, nargs="?", default=ROOT, help="the extension's folder")
    arguments.add_argument("--output", type=Path, default=ROOT / "dist", help="folder for the archive")
    arguments.add_argument("--slicer-version", required=True, help="such as 5.12")
    arguments.add_argument("--slicer-revision", required=True, help="see Help > About 3D Slicer")
    arguments.add_argument("--os", required=True, help="linux, macosx or win")
    arguments.add_argument("--arch", default="amd64", help="amd64 or arm64")
    chosen = arguments.parse_args()
    try:
        application = Application(chosen.slicer_version, chosen.slicer_revision, chosen.os, chosen.arch)
        print(build_archive(chosen.source, chosen.output, application))
    except ContrastiveSegError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
