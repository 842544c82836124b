"""The benchmark of what is known before learning: each part can be taken away."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "Benchmarks"))

import prior_alone
from benchmarklib.cases import BenchmarkCase
from command_line import write_pair


@pytest.fixture(scope="module")
def a_case(tmp_path_factory):
    files = write_pair(tmp_path_factory.mktemp("phantom"), (24, 32, 40))
    return BenchmarkCase("demo", "phantom", files["image"], files["truth"])


@pytest.mark.slow
@pytest.mark.parametrize("way", prior_alone.WAYS[1:])
def test_each_part_changes_the_mask_and_is_back_afterwards(way, a_case):
    planes = 2 if way == prior_alone.WAYS[-1] else 1
    whole = prior_alone.measure(a_case, 3, planes, prior_alone.EVERYTHING)
    assert 0.5 < whole < 1 and prior_alone.measure(a_case, 3, planes, way) != whole
    assert prior_alone.measure(a_case, 3, planes, prior_alone.EVERYTHING) == whole
