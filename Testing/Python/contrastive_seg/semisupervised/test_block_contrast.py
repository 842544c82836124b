"""The contrast in blocks: what meets what, what is left out, and how much memory it takes."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from command_line import ENGINE

from contrastive_seg.losses import BalancedContrastiveLoss
from contrastive_seg.semisupervised.blocks import BlockContrast


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_one_block_of_the_whole_map_is_the_loss_itself():
    torch.manual_seed(0)
    features, labels = torch.randn(2, 5, 6, 6), torch.randint(0, 3, (2, 6, 6))
    found = BlockContrast(6, 0.1, pixels=1000)(features, labels, seeded())
    torch.testing.assert_close(found, BalancedContrastiveLoss(0.1)(features, labels))


def test_a_group_has_one_block_of_every_image_and_all_blocks_are_used():
    labels = torch.arange(4 * 36).view(4, 6, 6)
    classes = labels.flatten()[BlockContrast(3)._blocks(labels, seeded())]
    assert classes.shape == (4, 4 * 9)
    assert sorted(classes.flatten().tolist()) == list(range(4 * 36))
    places = set()
    for group in classes:
        images, at = group // 36, group % 36
        assert images.tolist() == [n for n in range(4) for _ in range(9)]
        places.add(tuple((at[images == n][0].item()) for n in range(4)))
    assert any(len(set(place)) > 1 for place in places)  # from different places of the slices


def test_groups_of_nothing_but_background_are_left_out():
    torch.manual_seed(0)
    features = torch.randn(2, 4, 8, 8, requires_grad=True)
    labels = torch.zeros(2, 8, 8, dtype=torch.long)
    nothing = BlockContrast(4)(features, labels, seeded())
    nothing.backward()
    assert float(nothing.detach()) == 0.0 and not features.grad.any()  # type: ignore[union-attr]
    labels[:, :4, :4] = 1  # one block of each image; the others meet background
    value = BlockContrast(4)(features, labels, seeded())
    assert float(value.detach()) > 0


def test_unknown_pixels_do_not_count():
    torch.manual_seed(0)
    features, labels = torch.randn(2, 5, 6, 6), torch.randint(0, 3, (2, 6, 6))
    labels[:, :, 3:] = -1
    found = BlockContrast(6, pixels=1000)(features, labels, seeded())
    expected = BalancedContrastiveLoss()(features[..., :3], labels[..., :3])
    torch.testing.assert_close(found, expected)


def test_at_most_so_many_pixels_of_a_class_are_taken():
    classes = torch.tensor([0] * 50 + [1] * 3 + [2] * 20 + [-1] * 9)
    chosen = BlockContrast(4, pixels=10)._sample(classes, seeded())
    assert chosen is not None
    assert torch.bincount(classes[chosen]).tolist() == [10, 3, 10] and len(chosen.unique()) == 23


MEMORY = """
import re, torch
from pathlib import Path
from contrastive_seg.semisupervised.blocks import BlockContrast
torch.set_num_threads(1)
features = torch.randn(8, 128, 224, 224, requires_grad=True)
labels = torch.randint(0, 4, (8, 224, 224))
BlockContrast(19)(features, labels, torch.Generator().manual_seed(0)).backward()
assert bool(features.grad.any())
# not ru_maxrss: that begins with what the process had that started this one
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 2**20)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="The peak is read where Linux tells it.")
def test_batch_4_at_224_pixels_stays_under_2_gb():
    done = subprocess.run(
        [sys.executable, "-c", MEMORY],
        env={"PYTHONPATH": str(ENGINE), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout) < 2.0
