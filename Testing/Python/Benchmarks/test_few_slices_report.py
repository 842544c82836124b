"""The tables of a few slices, from rows."""

from benchmarklib.report import make_tables
from benchmarklib.results import Row


def row(method, case, dice, budget):
    return Row(
        "left_atrium", case, 3, "inside", method, 0, budget, 1, 1, dice, "{}", 1, 60.0, 1.0, 800.0, "ok",
        "2026-11-22", "a computer",
    )  # fmt: skip


def test_each_budget_has_a_table_and_what_does_not_learn_stands_beside_the_shortest():
    rows = [row("fill", case, dice, 0.0) for case, dice in (("a", 0.7), ("b", 0.8))]
    rows += [row("ours", case, dice, 60.0) for case, dice in (("a", 0.9), ("b", 0.92))]
    rows += [row("ours", "a", 0.94, 600.0), row("mcsc", "a", 0.93, 600.0)]
    first, second = make_tables(rows).split("### ")[1:]
    assert first.startswith("Left atrium") and "600 s" not in first
    assert "| 3 | Fill between slices | 2 | 0.750 |" in first
    assert "| 3 | **ContrastiveSeg** | 2 | 0.910 | 0.014 | 2 of 2 | +0.160 |" in first
    assert second.splitlines()[0].endswith("slices placed: inside, 600 s") and "Fill" not in second
    assert "| 3 | **ContrastiveSeg** | 1 | 0.940 | - | 1 of 1 | +0.010 |" in second
    assert "| 3 | ContrastiveSeg with MCSC | 1 | 0.930 | - | 0 of 1 | -0.010 |" in second
