"""Views drawn for groups of images: the same for a group whoever else shares the batch."""

from __future__ import annotations

import pytest
import torch

from contrastive_seg.transforms.draws import GroupedGenerator
from contrastive_seg.transforms.views import (
    IntensityViews,
    MACLIntensity,
    MoCoViews,
    SimCLRViews,
    SpatialViews,
    UprightViews,
)

ALL = (SpatialViews, SimCLRViews, MACLIntensity, MoCoViews, IntensityViews, UprightViews)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("views", ALL)
@pytest.mark.parametrize("count", [4, 11, 16])
def test_a_group_gets_what_it_would_get_alone(views: type, count: int) -> None:
    images = torch.randn(count, 2, 32, 24, generator=seeded(99))
    groups = torch.split(images, 4)
    alone = torch.cat([views()(group, seeded(k)) for k, group in enumerate(groups)])
    together = views()(images, GroupedGenerator([seeded(k) for k in range(len(groups))], 4))
    assert torch.allclose(together, alone, atol=1e-5)


def test_a_wrong_number_of_groups_is_refused() -> None:
    images = torch.zeros(9, 1, 16, 16)
    with pytest.raises(ValueError, match="3 groups of 4, not 2"):
        SpatialViews()(images, GroupedGenerator([seeded(0), seeded(1)], 4))
