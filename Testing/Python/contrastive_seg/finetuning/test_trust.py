"""The network loses its say in structures that it makes worse on annotated slices."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from contrastive_seg_phantom import keep_slices, two_organs
from torch import nn

from contrastive_seg.compute import Compute
from contrastive_seg.finetuning.prepared_case import PreparedCase
from contrastive_seg.finetuning.session import Case, FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.finetuning.trust import class_trust
from contrastive_seg.inference.scores import trust_after

CPU = Compute(torch.device("cpu"))
LONG = 1000
"""Steps after which a network has its whole weight."""


class Claims(nn.Module):
    """A network that says one thing everywhere: logits by class."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.logits.view(1, -1, 1, 1).expand(len(inputs), -1, *inputs.shape[-2:]).clone()


@pytest.fixture
def a_case(tmp_path: Path) -> PreparedCase:
    """Two organs (classes 1 and 2), annotated on five slices."""
    volume, truth = two_organs()
    session = FinetuningSession(tmp_path, FinetuneSettings(device="cpu", threads=1))
    session.set_cases([Case(volume, keep_slices(truth, [2, 6, 12, 17, 21]))])
    return session._prepare(lambda: False)[0]


def trust_in(case: PreparedCase, network: nn.Module, steps: int = LONG) -> list[float]:
    found = class_trust(case.views, network, 3, steps, CPU)
    assert found.shape == (2, 1, 1)
    return [float(value) for value in found.flatten()]


def test_a_network_that_agrees_keeps_its_weight(a_case: PreparedCase):
    assert trust_in(a_case, Claims(0.0, 0.0, 0.0)) == [1.0, 1.0]


def test_one_that_takes_an_organ_for_background_is_not_heard_about_it(a_case: PreparedCase):
    first, second = trust_in(a_case, Claims(0.0, -20.0, 0.0))
    assert first == 0.0 and second == 1.0


def test_a_network_that_has_just_begun_has_little_weight_anyway(a_case: PreparedCase):
    assert trust_in(a_case, Claims(0.0, 0.0, 0.0), steps=30) == pytest.approx([trust_after(30)] * 2)


def test_without_annotated_slices_there_is_nothing_to_compare_with(a_case: PreparedCase):
    for view in a_case.views:
        view.samples = []
    assert trust_in(a_case, Claims(0.0, -20.0, -20.0)) == [1.0, 1.0]
