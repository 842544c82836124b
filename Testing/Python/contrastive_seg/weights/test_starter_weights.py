"""The weights that come with the extension: whole, small, allowed, and of use to the network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from contrastive_seg.finetuning.model import Architecture
from contrastive_seg.finetuning.transfer import Pretrained
from contrastive_seg.weights.store import Store, own_folders

MOST_BYTES = 12_000_000
ALLOWED = {"CC-BY-SA-4.0", "CC-BY-4.0", "Apache-2.0"}
NAMES = ["ct-torso", "mr-brain", "mr-hippocampus", "us-fetal-head"]


@pytest.fixture
def a_store(tmp_path: Path) -> Store:
    """Nothing but what the extension brings."""
    return Store(user=tmp_path)


def test_the_list_shows_them_all_with_cards_and_an_encoder_for_every_modality(a_store: Store):
    found = {one.name: one for one in a_store.list()}
    assert sorted(found) == NAMES and all(one.problem is None for one in found.values())
    assert {one.card.modality for one in found.values() if one.card} == {"MR", "CT", "US"}


def test_together_they_are_small():
    files = [path for folder in own_folders() if folder.is_dir() for path in folder.iterdir()]
    assert len(files) == 2 * len(NAMES) and sum(path.stat().st_size for path in files) < MOST_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_each_may_be_shipped_and_says_how_it_was_made(a_store: Store, name: str):
    card = a_store.find(name).card
    assert card is not None and card.licence in ALLOWED and card.seed == 0
    assert {source.licence for source in card.training_data} <= ALLOWED
    assert all(source.url and source.volumes for source in card.training_data)
    assert f"starter_weights.py --data FOLDER --only {name}" in card.command
    assert not any(word in card.to_json().lower() for word in ("atrium", "acdc", "/home", "/work", "/tmp"))


@pytest.mark.parametrize("name", NAMES)
def test_a_network_starts_from_each(a_store: Store, name: str):
    found = Pretrained.load(str(a_store.find(name).path))
    assert found.card.width is not None
    architecture = Architecture((0, 1, 2), found.card.width, 1.0)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    network = found.start(architecture, 0, images)
    random = Architecture((0, 1, 2), found.card.width, 1.0).build()
    key = "encoder.levels.2.0.weight"
    torch.testing.assert_close(network.state_dict()[key], found.tensors[key])
    assert network.state_dict()[key].shape == random.state_dict()[key].shape
    inputs = torch.zeros(2, architecture.in_channels, 64, 64)
    inputs[:, :3] = images
    assert bool(network.eval()(inputs).isfinite().all())
