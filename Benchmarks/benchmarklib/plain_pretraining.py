"""Pretraining steps written plainly, the way research code usually is: the yardstick for speed.

Float32 in the usual memory format, one pass of the network for every view, losses as they stand in the
papers, with Python loops where the released code has them. Nothing is random but the weights.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from contrastive_seg.networks.build import build_network

Step = Callable[[], float]
TEMPERATURE = 0.1


def mlp(*sizes: int, norm: bool = False) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for index in range(len(sizes) - 1):
        layers.append(nn.Linear(sizes[index], sizes[index + 1]))
        if index < len(sizes) - 2:
            layers += [nn.BatchNorm1d(sizes[index + 1])] if norm else []
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def supervised_contrast(vectors: torch.Tensor, positives: torch.Tensor) -> torch.Tensor:
    """Mean over anchors of the mean negative log-probability of their positives."""
    unit = F.normalize(vectors, dim=1)
    logits = unit @ unit.T / TEMPERATURE
    logits = logits - logits.max(dim=1, keepdim=True).values.detach()
    others = 1 - torch.eye(len(vectors))
    mask = positives.float() * others
    log_probability = logits - torch.log((torch.exp(logits) * others).sum(dim=1, keepdim=True))
    return -((mask * log_probability).sum(dim=1) / mask.sum(dim=1).clamp(min=1)).mean()


def _optimised(modules: list[nn.Module], loss: Callable[[], torch.Tensor]) -> Step:
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, 0.01, momentum=0.9, weight_decay=1e-5)

    def step() -> float:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        return float(value.detach())

    return step


def pcl(network: str, width: int, images: torch.Tensor, positions: torch.Tensor) -> Step:
    """Positional contrast of two views."""
    encoder = build_network(network, images.shape[1], 2, width).get_submodule("encoder")
    size = encoder.channels[-1]  # type: ignore[index]
    projector = mlp(int(size), int(size), 512)

    def loss() -> torch.Tensor:
        views = [projector(encoder(images)[-1].mean(dim=(2, 3))) for _ in range(2)]
        both = positions.repeat(2)
        return supervised_contrast(torch.cat(views), (both[:, None] - both).abs() < 0.1)

    return _optimised([encoder, projector], loss)


def simclr(network: str, width: int, images: torch.Tensor, positions: torch.Tensor) -> Step:
    """NT-Xent of two views."""
    encoder = build_network(network, images.shape[1], 2, width).get_submodule("encoder")
    size = int(encoder.channels[-1])  # type: ignore[index]
    projector = mlp(size, size, 128, norm=True)

    def loss() -> torch.Tensor:
        views = [projector(encoder(images)[-1].mean(dim=(2, 3))) for _ in range(2)]
        identity = torch.arange(len(images)).repeat(2)
        return supervised_contrast(torch.cat(views), identity[:, None] == identity)

    return _optimised([encoder, projector], loss)


def macl(network: str, width: int, images: torch.Tensor, positions: torch.Tensor) -> Step:
    """Four passes, and the dense loss place by place."""
    body = build_network(network, images.shape[1], 2, width)
    encoder, decoder = body.get_submodule("encoder"), body.get_submodule("decoder")
    size, pixel = 16 * width, 4 * width
    auxiliary, dominant = mlp(size, pixel, pixel), mlp(pixel, pixel, pixel)
    layers: list[nn.Module] = []
    for channels in (size, pixel):
        layers += [nn.Conv2d(channels, pixel, 3, padding=1), nn.BatchNorm2d(pixel), nn.LeakyReLU(0.01)]
    projector = nn.Sequential(*layers)
    both = positions.repeat(2)
    close = (both[:, None] - both).abs() < 0.1

    def smaller(x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(x, scale_factor=0.25, mode="bilinear", align_corners=True)

    def loss() -> torch.Tensor:
        feature = encoder(images)[-1]
        whole_auxiliary = auxiliary(encoder(images)[-1].mean(dim=(2, 3)))
        small = encoder(smaller(images))
        pixels = decoder.partial(small, 2)  # type: ignore[operator]
        whole_dominant = dominant(decoder.partial(encoder(smaller(images)), 2).mean(dim=(2, 3)))  # type: ignore[operator]
        dense = projector(feature)
        total = torch.zeros(())
        height, width_ = dense.shape[-2:]
        for y in range(height):
            for x in range(width_):
                here = torch.cat([dense[:, :, y, x], pixels[:, :, y, x]])
                total = total + supervised_contrast(here, close) / (height * width_)
        whole = supervised_contrast(torch.cat([whole_auxiliary, whole_dominant]), close)
        return whole + 0.5 * total + (small[-1] - smaller(feature)).abs().mean()

    return _optimised([encoder, decoder, auxiliary, dominant, projector], loss)


def whiten(x: torch.Tensor, iterations: int = 5) -> torch.Tensor:
    """Iterative normalisation of all channels together."""
    channels = x.shape[1]
    columns = x.transpose(0, 1).reshape(channels, -1)
    columns = columns - columns.mean(dim=1, keepdim=True)
    covariance = columns @ columns.T / columns.shape[1] + 1e-5 * torch.eye(channels)
    trace = covariance.trace()
    normed, root = covariance / trace, torch.eye(channels)
    for _ in range(iterations):
        root = 1.5 * root - 0.5 * torch.matrix_power(root, 3) @ normed
    whitened = root @ columns / trace.sqrt()
    return whitened.reshape(channels, len(x), *x.shape[2:]).transpose(0, 1)


def moco(network: str, width: int, images: torch.Tensor, positions: torch.Tensor) -> Step:
    """MoCo v2 with all channels whitened together, and regions compared one by one."""
    encoder = build_network(network, images.shape[1], 2, width).get_submodule("encoder")
    size = int(encoder.channels[-1])  # type: ignore[index]
    projector = mlp(size, size, 128)
    key_encoder, key_projector = copy.deepcopy(encoder), copy.deepcopy(projector)
    queue = F.normalize(torch.randn(128, 65536), dim=0)
    grid = 4

    def loss() -> torch.Tensor:
        with torch.no_grad():
            for mine, theirs in zip(
                [*key_encoder.parameters(), *key_projector.parameters()],
                [*encoder.parameters(), *projector.parameters()],
                strict=True,
            ):
                mine.data = mine.data * 0.999 + theirs.data * 0.001
            key_map = whiten(key_encoder(images)[-1])
            key = F.normalize(key_projector(key_map.mean(dim=(2, 3))), dim=1)
        query_map = whiten(encoder(images)[-1])
        query = F.normalize(projector(query_map.mean(dim=(2, 3))), dim=1)
        logits = torch.cat([(query * key).sum(dim=1, keepdim=True), query @ queue], dim=1) / 0.2
        total = F.cross_entropy(logits, torch.zeros(len(query), dtype=torch.long))
        local = torch.zeros(())
        for one, other in zip(query_map, key_map, strict=True):
            regions = [F.normalize(F.adaptive_avg_pool2d(m, grid).flatten(1).T, dim=1) for m in (one, other)]
            local = local + F.cross_entropy(regions[0] @ regions[1].T / 0.2, torch.arange(grid * grid))
        return total + 0.5 * local / len(images)

    return _optimised([encoder, projector], loss)


STEPS: dict[str, Callable[[str, int, torch.Tensor, torch.Tensor], Step]] = {
    "pcl": pcl,
    "macl": macl,
    "simclr": simclr,
    "moco-local-decorrelated": moco,
}
