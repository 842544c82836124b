"""The pretraining methods, one file each."""

from __future__ import annotations

from contrastive_seg.pretraining.distributed import Processes
from contrastive_seg.pretraining.methods.base import Method
from contrastive_seg.pretraining.methods.byol import BYOL
from contrastive_seg.pretraining.methods.gcl import GCL
from contrastive_seg.pretraining.methods.macl import MACL
from contrastive_seg.pretraining.methods.moco import MoCo
from contrastive_seg.pretraining.methods.moco_local import MoCoLocalDecorrelated
from contrastive_seg.pretraining.methods.pcl import PCL
from contrastive_seg.pretraining.methods.simclr import SimCLR
from contrastive_seg.pretraining.settings import PretrainSettings

_METHODS: dict[str, type[Method]] = {
    "simclr": SimCLR,
    "gcl": GCL,
    "pcl": PCL,
    "byol": BYOL,
    "moco": MoCo,
    "moco-local-decorrelated": MoCoLocalDecorrelated,
    "macl": MACL,
}


def build_method(settings: PretrainSettings, processes: Processes | None = None) -> Method:
    """The method with fresh weights that depend on nothing but the settings."""
    import torch

    torch.manual_seed(settings.seed)
    return _METHODS[settings.method](settings, processes)
