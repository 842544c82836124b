import math

import pytest
import torch

from contrastive_seg.losses.masked import MaskedDiceCELoss


def slow_loss(logits: torch.Tensor, truth: torch.Tensor, known: torch.Tensor) -> float:
    batch, classes, height, width = logits.shape
    entropy, count = 0.0, 0
    overlap, total = [0.0] * classes, [0.0] * classes
    for b in range(batch):
        for y in range(height):
            for x in range(width):
                if not known[b, 0, y, x]:
                    continue
                exponentials = [math.exp(float(logits[b, c, y, x])) for c in range(classes)]
                shares = [e / sum(exponentials) for e in exponentials]
                count += 1
                for c in range(classes):
                    t = float(truth[b, c, y, x])
                    entropy -= t * math.log(shares[c])
                    overlap[c] += 2 * t * shares[c]
                    total[c] += t + shares[c]
    dice = [1 - (overlap[c] + 1) / (total[c] + 1) for c in range(1, classes)]
    return entropy / count + sum(dice) / len(dice)


def random_case(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, 4, 5, generator=generator)
    truth = torch.softmax(3 * torch.randn(2, 3, 4, 5, generator=generator), dim=1)
    known = (torch.rand(2, 1, 4, 5, generator=generator) > 0.4).float()
    return logits, truth, known


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_loss_equals_a_slow_loop_over_known_pixels(seed):
    logits, truth, known = random_case(seed)
    assert float(MaskedDiceCELoss()(logits, truth, known)) == pytest.approx(
        slow_loss(logits, truth, known), rel=1e-5
    )


def test_unknown_pixels_neither_change_the_loss_nor_receive_a_gradient():
    logits, truth, known = random_case(3)
    changed = torch.where(known.bool(), logits, logits + 5).requires_grad_()
    loss = MaskedDiceCELoss()(changed, truth, known)
    torch.testing.assert_close(loss, MaskedDiceCELoss()(logits, truth, known))
    loss.backward()
    assert changed.grad is not None
    assert (changed.grad * (1 - known)).abs().max() == 0


def test_nothing_known_gives_a_finite_loss():
    logits, truth, known = random_case(4)
    assert torch.isfinite(MaskedDiceCELoss()(logits, truth, torch.zeros_like(known)))
