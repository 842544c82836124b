"""The benchmark of suggested slices: how slices are placed and how its table is made."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[3] / "Benchmarks"


@pytest.fixture(scope="module")
def benchmark_script():
    sys.path.insert(0, str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("suggestion_benchmark", BENCHMARKS / "suggestion.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(module, case, way, dice, steps=4):
    options = module._parse(["--steps", str(steps)])
    made = module._row(module.BenchmarkCase("left_atrium", case, Path(), Path()), way, options)
    return module.Row(**{**vars(made), "dice": dice, "status": "ok"})


def test_the_middles_of_the_widest_gaps_come_one_after_the_other(benchmark_script):
    assert benchmark_script._middles([0, 10, 30], 2) == [20, 5]


def test_random_slices_are_of_the_structure_and_not_painted_yet(benchmark_script):
    truth = np.zeros((20, 4, 4), int)
    truth[5:12] = 1
    drawn = benchmark_script._random(truth, 0, [6, 9], 3, seed=0)
    assert len(set(drawn)) == 3 and set(drawn) <= {5, 7, 8, 10, 11}
    assert drawn == benchmark_script._random(truth, 0, [6, 9], 3, seed=0)


def test_the_table_compares_only_volumes_that_all_ways_have_been_run_on(benchmark_script):
    rows = [
        row(benchmark_script, "a", "even", 0.90),
        row(benchmark_script, "a", "at-once", 0.92),
        row(benchmark_script, "b", "even", 0.50),
        row(benchmark_script, "a", "even", 0.10, steps=400),
    ]
    text = benchmark_script.table(rows, 4)
    assert "1 volumes: a" in text and "| at-once | 0.9200 | - | +0.0200 | 1 of 1 |" in text
    assert "No results" in benchmark_script.table(rows, 7)


def test_the_report_shows_all_numbers_of_steps_unless_one_is_named(benchmark_script, capsys):
    assert benchmark_script.main(["--report"]) == 0
    found = {int(row.budget) for row in benchmark_script.ResultsFile(benchmark_script.RESULTS).rows()}
    told = capsys.readouterr().out
    assert found and all(f"{steps} steps in total" in told for steps in found) and "No results" not in told
    assert benchmark_script.main(["--report", "--steps", "7"]) == 0
    assert capsys.readouterr().out.strip() == "No results with 7 steps yet."


def test_an_unknown_way_is_refused(benchmark_script, capsys):
    with pytest.raises(SystemExit):
        benchmark_script.main(["--ways", "guess"])
    assert "'guess' is none of" in capsys.readouterr().err


def test_the_oracle_finds_the_slice_that_brings_most(benchmark_script):
    from contrastive_seg.data.volume import Volume
    from contrastive_seg.finetuning.settings import FinetuneSettings

    truth = np.zeros((13, 32, 32), np.uint8)
    truth[1:12, 12:18, 12:18] = 1
    truth[5:10, 4:28, 4:28] = 1  # nobody would expect it from slices 2 and 10
    image = np.random.default_rng(0).normal(truth * 5.0, 1.0).astype(np.float32)
    settings = FinetuneSettings(device="cpu", threads=1, steps=1)
    best = benchmark_script._best(Volume(image, np.eye(4)), truth, 0, [2, 10], settings)
    assert 5 <= best <= 9
