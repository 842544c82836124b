"""Previews look at every n-th slice where all of them would take too long."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from contrastive_seg.compute import Compute
from contrastive_seg.data.volume import Volume
from contrastive_seg.finetuning.view import View, whole_plane
from contrastive_seg.inference import scores as scores_module
from contrastive_seg.inference.scores import Looked, score_view
from contrastive_seg.preprocessing import Normalisation
from contrastive_seg.priors.propagation import SlicePrior
from contrastive_seg.priors.vote import prior_scores

SLICES = 40


class Ramp(nn.Module):
    """A network whose logit is the brightness of the slice, and that counts what it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.seen += len(inputs)
        middle = inputs[:, 1:2]
        return torch.cat([torch.zeros_like(middle), middle], dim=1)


@pytest.fixture
def a_view() -> View:
    """Slices that become brighter linearly, so that interpolation between them is exact."""
    array = np.broadcast_to(np.arange(SLICES, dtype=np.float32)[:, None, None], (SLICES, 32, 32)).copy()
    volume = Volume(array, np.eye(4), "ramp")
    return View(volume, Normalisation.of(array), 0, whole_plane(volume, 0), 1.0)


def scored(view: View, network: nn.Module, **more) -> torch.Tensor:
    return score_view(network, view, {}, 2, Compute(torch.device("cpu")), **more)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores_module, "_BATCH_PIXELS", 4 * 32 * 32)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("cached", [True, False])
def test_an_impatient_preview_looks_at_fewer_slices_and_interpolates_the_rest(a_view: View, cached: bool):
    if cached:
        a_view.cache()
    looked, network = Looked(), Ramp()
    complete = scored(a_view, Ramp())
    quick = scored(a_view, network, patience=1e-9, looked=looked)
    assert network.seen == looked.slices == 5  # the first four, and the last
    assert looked.for_all(SLICES) == pytest.approx(looked.seconds * 7)
    torch.testing.assert_close(quick.float(), complete.float(), atol=0.01, rtol=0)


@pytest.mark.usefixtures("small_batches")
def test_with_patience_every_slice_is_looked_at(a_view: View):
    for patience in (None, 1e6):
        network = Ramp()
        scored(a_view, network, patience=patience)
        assert network.seen == SLICES


def test_context_is_the_slice_between_its_neighbours(a_view: View):
    expected = torch.stack([a_view.images(i - 1, i + 2) for i in (0, 3, 4, SLICES - 1)])
    torch.testing.assert_close(a_view.context([0, 3, 4, SLICES - 1]), expected)
    a_view.cache()
    torch.testing.assert_close(a_view.context([0, 3, 4, SLICES - 1]), expected)


class SaysTheFirst(nn.Module):
    """A network that is sure of the first of two structures everywhere."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        logits = torch.tensor([0.0, 6.0, -6.0]).view(1, 3, 1, 1)
        return logits.expand(len(inputs), 3, *inputs.shape[-2:]).clone()


@pytest.mark.parametrize("trusted", [True, False])
def test_a_structure_that_the_network_does_not_know_is_not_taken_by_another(a_view: View, trusted: bool):
    distance = torch.full((2, 32, 32), -1.0)
    distance[0, :, :10] = 2.0  # the first structure, and beside it the second
    distance[1, :, 20:] = 2.0
    prior = SlicePrior(distance, torch.zeros(32, 32), 5.0)
    trust = torch.tensor([1.0, 1.0 if trusted else 0.0]).view(2, 1, 1)
    found = score_view(SaysTheFirst(), a_view, {3: prior}, 3, Compute(torch.device("cpu")), trust=trust)[:, 3]
    assert (found[0, :, :10] > 5).all() and (found[0, :, 10:20] > 5).all(), "the first may grow into nothing"
    winner = found[:, :, 20:].argmax(dim=0)
    assert (winner == (0 if trusted else 1)).all()
    if not trusted:
        torch.testing.assert_close(found[:, :, 20:].float(), prior_scores(distance)[:, :, 20:])
