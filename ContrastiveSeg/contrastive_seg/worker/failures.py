"""From any exception to a sentence for the user."""

from __future__ import annotations

import gc
import sys
import traceback

import torch

from contrastive_seg.errors import ContrastiveSegError

_MEMORY_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


def as_user_error(error: Exception) -> ContrastiveSegError:
    """The error to send; memory held by what failed is given back.

    An exception that nobody foresaw becomes ``internal-error``, and its traceback goes to stderr.
    """
    if isinstance(error, ContrastiveSegError):
        return error
    if is_out_of_memory(error):
        free_memory(error)
        return ContrastiveSegError(
            "out-of-memory",
            "There is not enough memory for this volume.",
            "Close other applications, crop the volume, or choose the CPU as device, and start again.",
        )
    traceback.print_exception(error, file=sys.stderr)
    return ContrastiveSegError(
        "internal-error",
        f"The engine failed unexpectedly ({type(error).__name__}: {error}).",
        "Start again; if it happens again, report it together with the log.",
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the system or the device had no memory left."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _MEMORY_WORDS)


def free_memory(error: BaseException) -> None:
    """Lets go of what the failed calls held and of the device's cache."""
    traceback.clear_frames(error.__traceback__)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
