"""The comparison "a plain 2D U-Net from scratch": what a competent user would train without us.

MONAI's U-Net sees a slice with its two neighbours and learns the annotated slices with the usual
augmentation, Dice + cross-entropy, Adam with a decaying rate, within a wall-clock budget that
includes the prediction of every slice. No priors, no pretraining, no unannotated slices.
"""

from __future__ import annotations

import contextlib
import time

import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from torch.nn import functional

from contrastive_seg.compute import cpu_has_bfloat16

IGNORE = -1
BATCH = 4
PATCH = 192
MULTIPLE = 16
"""The network halves the image four times."""
LEARNING_RATE = 2e-3


def segment(
    image: np.ndarray,
    sparse: np.ndarray,
    axis: int,
    *,
    budget: float = 60.0,
    seed: int = 0,
    threads: int = 0,
    device: str = "cpu",
) -> np.ndarray:
    """Trains on the annotated slices and predicts all of them.

    Args:
        image: Scanner units, (z, y, x).
        sparse: int16, -1 where nothing was said.
        axis: Array axis that counts the slices.
        budget: Wall-clock seconds for training and prediction together.
        seed: Seed of every random choice.
        threads: CPU threads, 0 for PyTorch's choice.
        device: ``cpu`` or ``cuda``.

    Returns:
        Label map of the image's shape; annotated slices keep what the user painted.
    """
    begin = time.monotonic()
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    volume = np.moveaxis(image, axis, 0).astype(np.float32)
    volume = (volume - volume.mean()) / max(float(volume.std()), 1e-6)
    labels = np.moveaxis(sparse, axis, 0)
    known = np.flatnonzero((labels != IGNORE).all(axis=(1, 2)))
    values = np.unique(labels[known])
    classes = np.searchsorted(values, labels[known])
    inputs = torch.from_numpy(np.stack([_with_neighbours(volume, i) for i in known]))
    targets = torch.from_numpy(classes.astype(np.int64))[:, None]
    channels = (16, 32, 64, 128, 256)
    network = UNet(2, 3, len(values), channels, (2, 2, 2, 2), num_res_units=1, norm="instance")
    # Channels last makes a step on CPUs some three times as fast.
    network = network.to(device, memory_format=torch.channels_last)
    reserve = min(_seconds_to_predict(network, volume, device) * 1.2, budget / 4)
    _train(network, inputs, targets, begin + budget - reserve, seed, device)
    predicted = _predict(network, volume, device)
    result = values[predicted]
    result[known] = labels[known]
    return np.moveaxis(result, 0, axis)


def _precision(device: str) -> contextlib.AbstractContextManager[object]:
    """Mixed precision where the processor multiplies bfloat16, as ours has it."""
    kind = torch.device(device).type
    if kind == "cuda" or cpu_has_bfloat16():
        return torch.autocast(kind, torch.bfloat16)
    return contextlib.nullcontext()


def _with_neighbours(volume: np.ndarray, index: int) -> np.ndarray:
    """A slice with the ones before and after it as channels; the volume's end is repeated."""
    around = np.clip([index - 1, index, index + 1], 0, len(volume) - 1)
    return volume[around]


def _train(
    network: torch.nn.Module,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    deadline: float,
    seed: int,
    device: str,
) -> None:
    """Trains until the deadline; the learning rate falls to zero with the time that is left."""
    random = np.random.default_rng(seed)
    loss_function = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, weight_decay=1e-5)
    begin = time.monotonic()
    network.train()
    longest = 0.0
    while (now := time.monotonic()) + longest < deadline:
        rate = LEARNING_RATE * (1 - (now - begin) / max(deadline - begin, 1e-6)) ** 0.9
        for group in optimiser.param_groups:
            group["lr"] = rate
        x, y = _batch(inputs, targets, random)
        x = x.to(device, memory_format=torch.channels_last)
        with _precision(device):
            logits = network(x)
        loss = loss_function(logits.float(), y.to(device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        longest = max(longest, time.monotonic() - now)


def _batch(
    inputs: torch.Tensor, targets: torch.Tensor, random: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops of annotated slices, each turned, scaled and changed in contrast at random."""
    size = [_round_up(min(PATCH, n)) for n in inputs.shape[2:]]
    xs, ys = [], []
    for _ in range(BATCH):
        index = int(random.integers(len(inputs)))
        x, y = inputs[index : index + 1], targets[index : index + 1]
        grid = _random_grid(y[0, 0], size, random)
        xs.append(functional.grid_sample(x, grid, padding_mode="border", align_corners=False))
        moved = functional.grid_sample(
            y.float() + 1, grid, mode="nearest", padding_mode="zeros", align_corners=False
        )
        ys.append((moved - 1).clamp_min(0).long())
    batch = torch.cat(xs)
    shape = (BATCH, 1, 1, 1)
    gain = torch.from_numpy(random.uniform(0.8, 1.25, shape).astype(np.float32))
    offset = torch.from_numpy(random.uniform(-0.2, 0.2, shape).astype(np.float32))
    noise = torch.from_numpy(random.normal(0, 0.05, batch.shape).astype(np.float32))
    return batch * gain + offset + noise, torch.cat(ys)


def _random_grid(target: torch.Tensor, size: list[int], random: np.random.Generator) -> torch.Tensor:
    """Where each pixel of a crop comes from; half of the crops are centred on a structure."""
    height, width = target.shape
    angle = random.uniform(-0.35, 0.35)
    scale = random.uniform(0.8, 1.25)
    centre = [_centre(n, s, random) for n, s in zip((height, width), size, strict=True)]
    painted = torch.nonzero(target > 0)
    if len(painted) and random.random() < 0.5:
        row, column = painted[int(random.integers(len(painted)))].tolist()
        centre = [
            float(np.clip(p, min(s, n) / 2, n - min(s, n) / 2))
            for p, n, s in zip((row, column), (height, width), size, strict=True)
        ]
    rows = (torch.arange(size[0]) + 0.5 - size[0] / 2) * scale
    columns = (torch.arange(size[1]) + 0.5 - size[1] / 2) * scale
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    source_y = centre[0] + np.cos(angle) * y - np.sin(angle) * x
    source_x = centre[1] + np.sin(angle) * y + np.cos(angle) * x
    return torch.stack([source_x / width * 2 - 1, source_y / height * 2 - 1], -1)[None].float()


def _centre(length: int, size: int, random: np.random.Generator) -> float:
    """A random centre of a crop that stays inside where it can."""
    if size >= length:
        return length / 2
    return float(random.uniform(size / 2, length - size / 2))


def _predict(network: torch.nn.Module, volume: np.ndarray, device: str) -> np.ndarray:
    """Class index of every pixel of every slice."""
    return np.stack([_predict_slice(network, volume, i, device) for i in range(len(volume))])


def _predict_slice(network: torch.nn.Module, volume: np.ndarray, index: int, device: str) -> np.ndarray:
    height, width = volume.shape[1:]
    x = torch.from_numpy(_with_neighbours(volume, index))[None]
    x = x.to(device, memory_format=torch.channels_last)
    padding = (0, _round_up(width) - width, 0, _round_up(height) - height)
    network.eval()
    with torch.inference_mode(), _precision(device):
        scores = network(functional.pad(x, padding, mode="replicate"))
    return scores[0, :, :height, :width].argmax(0).cpu().numpy()


def _seconds_to_predict(network: torch.nn.Module, volume: np.ndarray, device: str) -> float:
    """What the prediction of the whole volume will take, from a few slices (the first warms up)."""
    times = []
    for index in range(min(5, len(volume))):
        begin = time.monotonic()
        _predict_slice(network, volume, index, device)
        times.append(time.monotonic() - begin)
    return min(times) * len(volume)


def _round_up(length: int) -> int:
    return -(-length // MULTIPLE) * MULTIPLE
