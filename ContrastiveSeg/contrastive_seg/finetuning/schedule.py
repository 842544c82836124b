"""What the clock decided in a round, step by step, so that the round can be repeated without it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

_MOST_STEPS = 10_000_000


@dataclass
class Schedule:
    """The steps of one round.

    Attributes:
        first_step: Optimiser steps of the run before the round.
        fractions: Position in the learning-rate cycle of each step, 0 to 1.
        sizes: From which step on (counted in the round) how many slices of at most which size were
            learnt at a time, where, and by how many threads: (step, slices, pixels, kind of device,
            threads). Memory and other programs decide it.
        resumed_at: Steps (counted in the round) before which the round was interrupted.
    """

    first_step: int = 0
    fractions: list[float] = field(default_factory=list)
    sizes: list[tuple[int, int, int, str, int]] = field(default_factory=list)
    resumed_at: list[int] = field(default_factory=list)

    def add(self, fraction: float, slices: int, pixels: int, device: str, threads: int) -> None:
        """Notes a step."""
        if not self.sizes or self.sizes[-1][1:] != (slices, pixels, device, threads):
            self.sizes.append((len(self.fractions), slices, pixels, device, threads))
        self.fractions.append(fraction)

    def size_at(self, step: int) -> tuple[int, int, int] | None:
        """Slices, pixels and threads from this step on, where they change there."""
        return next(((slices, pixels, n) for at, slices, pixels, _, n in self.sizes if at == step), None)

    def to_dict(self) -> dict[str, Any]:
        """For JSON; the fractions in one line, as there are thousands of them."""
        return {
            "first_step": self.first_step,
            "fractions": " ".join(map(repr, self.fractions)),
            "sizes": [list(one) for one in self.sizes],
            "resumed_at": list(self.resumed_at),
        }

    @classmethod
    def from_dict(cls, stored: Any) -> Schedule:
        """The schedule of JSON values.

        Raises:
            ValueError: They are none.
        """
        try:
            fractions = [float(text) for text in stored["fractions"].split()]
            sizes = [
                (_count(a), _count(b), _count(c), str(d), _count(e)) for a, b, c, d, e in stored["sizes"]
            ]
            found = cls(
                _count(stored["first_step"]), fractions, sizes, [_count(n) for n in stored["resumed_at"]]
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ValueError("its schedule cannot be read") from error
        if not all(math.isfinite(one) and 0 <= one <= 1 for one in fractions):
            raise ValueError("its schedule leaves the range from 0 to 1")
        if any(not (1 <= b <= 4096 and 16 <= c <= 4096 and 1 <= n <= 4096) for _, b, c, _, n in sizes):
            raise ValueError("its schedule has sizes that cannot be")
        return found


def _count(number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= _MOST_STEPS:
        raise ValueError("no count")
    return number
