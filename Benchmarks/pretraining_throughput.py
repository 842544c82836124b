"""Images a second of a pretraining step, beside the same step written plainly.

Forward, loss, backward and optimiser step; the same network, batch and size for both; augmentation
is left out. Both ways take turns, each in a process of its own.

    python Benchmarks/pretraining_throughput.py --threads 1
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarklib.results import describe_machine

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "ContrastiveSeg"))
SETTINGS = {
    "pcl": ("PCL, U-Net", "unet", 32, 1, 128, 8),
    "macl": ("MACL, U-Net", "unet", 32, 1, 128, 4),
    "simclr": ("SimCLR, echo U-Net", "echo-unet", 32, 3, 64, 8),
    "moco-local-decorrelated": ("MoCo v2, local, decorrelated, ResNet-50", "deeplabv3", 32, 3, 96, 8),
}
"""Title, network, width, channels, size and batch by method."""


def measure(method: str, way: str, threads: int, seconds: float) -> dict[str, float]:
    """Images a second and the peak memory of this process, in MB."""
    import psutil
    import torch

    _, network, width, channels, size, batch = SETTINGS[method]
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    images, positions = torch.randn(batch, channels, size, size), torch.linspace(0.1, 1, batch).double()
    if way == "plain":
        from benchmarklib.plain_pretraining import STEPS

        step = STEPS[method](network, width, images, positions)
    else:
        step = _ours(method, images, positions, threads)
    process, peak, rates = psutil.Process(), 0, []
    for _ in range(2):
        step()
    end = time.monotonic() + seconds
    while len(rates) < 3 or time.monotonic() < end:
        begun = time.perf_counter()
        step()
        rates.append(batch / (time.perf_counter() - begun))
        peak = max(peak, process.memory_info().rss)
    return {"images_per_second": statistics.median(rates), "peak_mb": peak / 2**20}


def _ours(method: str, images, positions, threads: int):  # type: ignore[no-untyped-def]
    """The step of the engine, its own views left out."""
    import torch

    from contrastive_seg.compute import choose_compute
    from contrastive_seg.pretraining.data.slices import SliceBatch
    from contrastive_seg.pretraining.loop import optimizer_for, placed
    from contrastive_seg.pretraining.methods import build_method
    from contrastive_seg.pretraining.settings import settings_for

    class NoViews:
        def __call__(self, batch: torch.Tensor) -> torch.Tensor:
            return batch

        invariant = __call__

    _, network, width, channels, _, batch = SETTINGS[method]
    settings = settings_for(
        method,
        network=network,
        width=width,
        in_channels=channels,
        batch=batch,
        optimizer="sgd",  # as the plain way
        learning_rate=0.01,
    )
    compute = choose_compute("cpu", threads)
    built = placed(build_method(settings), compute.device).train()
    numbers = torch.arange(batch)
    data = SliceBatch(
        images.contiguous(memory_format=torch.channels_last), None, positions, numbers % 4 + 1, numbers
    )
    optimizer = optimizer_for(built, settings)

    def step() -> float:
        built.before_step(0.5)
        with compute.autocast():
            losses = built.loss(data, NoViews())
        optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        optimizer.step()
        return float(losses["loss"].detach())

    return step


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3, help="processes for each method and way")
    parser.add_argument("--seconds", type=float, default=10.0, help="of measuring in each process")
    parser.add_argument("--methods", default=",".join(SETTINGS))
    parser.add_argument("--one", nargs=2, metavar=("METHOD", "WAY"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(*args.one, args.threads, args.seconds)))
        return
    print(f"{describe_machine()}; {args.threads} thread(s), {args.repeats} processes each\n")
    print(
        "| Method | Plain (images/s) | ContrastiveSeg (images/s) | Times as fast | Peak memory (MB), both |"
    )
    print("| --- | ---: | ---: | ---: | ---: |", flush=True)
    for method in args.methods.split(","):
        found: dict[str, list[dict[str, float]]] = {"plain": [], "ours": []}
        for _ in range(args.repeats):
            for way, results in found.items():
                command = [sys.executable, __file__, "--one", method, way]
                command += ["--threads", str(args.threads), "--seconds", str(args.seconds)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise SystemExit(done.stderr)
                results.append(json.loads(done.stdout.splitlines()[-1]))
        rates = {way: [one["images_per_second"] for one in results] for way, results in found.items()}
        ratios = [ours / plain for ours, plain in zip(rates["ours"], rates["plain"], strict=True)]
        memory = " / ".join(f"{max(one['peak_mb'] for one in found[way]):.0f}" for way in found)
        times = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        plain, ours = (statistics.median(rates[way]) for way in ("plain", "ours"))
        print(f"| {SETTINGS[method][0]} | {plain:.2f} | {ours:.2f} | {times} | {memory} |", flush=True)


if __name__ == "__main__":
    main()
