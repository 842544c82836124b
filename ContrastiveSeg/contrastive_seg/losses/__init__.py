"""Losses of contrastive pretraining and of fine-tuning on sparse labels."""

from contrastive_seg.losses.balanced import BalancedContrastiveLoss
from contrastive_seg.losses.byol import BYOLLoss
from contrastive_seg.losses.group import GroupContrastiveLoss
from contrastive_seg.losses.local import LocalContrastiveLoss
from contrastive_seg.losses.masked import MaskedDiceCELoss
from contrastive_seg.losses.moco import MoCoLoss
from contrastive_seg.losses.nt_xent import NTXentLoss
from contrastive_seg.losses.positional import DensePositionalContrastiveLoss, PositionalContrastiveLoss
from contrastive_seg.losses.whitening import IterativeNormalization

__all__ = [
    "BYOLLoss",
    "BalancedContrastiveLoss",
    "DensePositionalContrastiveLoss",
    "GroupContrastiveLoss",
    "IterativeNormalization",
    "LocalContrastiveLoss",
    "MaskedDiceCELoss",
    "MoCoLoss",
    "NTXentLoss",
    "PositionalContrastiveLoss",
]
