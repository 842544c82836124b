"""The command ``contrastive-seg pretrain``."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrastive_seg.commands.console import Output
from contrastive_seg.commands.events import output_for
from contrastive_seg.errors import ContrastiveSegError

if TYPE_CHECKING:
    from contrastive_seg.pretraining.settings import PretrainSettings

Finite = Annotated[
    bool, typer.Option("--replace-nonfinite", help="Replace NaN and infinite voxels instead of refusing.")
]


_ALWAYS = ("method", "preset", "network", "width", "size", "context", "batch")
_NEVER = {
    *("data", "output", "resume", "overwrite", "into_store", "tensorboard", "json", "events", "device"),
    *("threads", "name", "modality", "anatomy", "licence", "epochs"),
}
"""What the recorded command does not say: places, what the card has by itself, and what steps say better."""


def _command(ctx: typer.Context, settings: PretrainSettings, slices: int) -> str:
    """The command that makes the same weights of the same data: what was asked for, and what came of it."""
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    asked = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    length = "steps" if settings.minutes is None else "minutes"
    values = {name: ctx.params[name] for name in (*_ALWAYS, length, *asked, "seed") if name not in _NEVER}
    values |= {"width": settings.width, "batch": settings.batch}
    if settings.minutes is None:
        values["steps"] = settings.step_count(slices)
    words = ["contrastive-seg", "pretrain"]
    for name, value in values.items():
        words.append(f"--{name.replace('_', '-')}")
        if value is not True:
            words += map(str, value) if isinstance(value, tuple) else [str(value)]
    return shlex.join(words)


def pretrain(
    ctx: typer.Context,
    data: Annotated[Path, typer.Option(help="Folder of volumes (any format), a CSV table, or a volume.")],
    output: Annotated[Path, typer.Option(help="Folder for weights, card and checkpoint.")],
    method: Annotated[
        str, typer.Option(help="pcl, gcl, simclr, byol, moco, moco-local-decorrelated or macl.")
    ] = "pcl",
    preset: Annotated[str, typer.Option(help="corrected, as-published or as-released.")] = "corrected",
    network: Annotated[str, typer.Option(help="unet, echo-unet or deeplabv3.")] = "unet",
    width: Annotated[int | None, typer.Option(min=1, help="Channels of the U-Net's first level.")] = None,
    size: Annotated[int, typer.Option(min=32, help="Pixels along each side of a slice.")] = 128,
    batch: Annotated[int | None, typer.Option(help="Slices a step, over all processes.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the slices.")] = None,
    steps: Annotated[int | None, typer.Option(help="Total number of steps, instead of epochs.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Train for so many minutes, instead of epochs.")
    ] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd or adam.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Temperature of the contrast; lower: only the hardest pairs count.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Positions closer than this (in mm with --positions mm) are positives."),
    ] = None,
    queue: Annotated[int | None, typer.Option(help="Keys that MoCo remembers.")] = None,
    group_channels: Annotated[int | None, typer.Option(help="Channels whitened together.")] = None,
    views: Annotated[str | None, typer.Option(help="spatial, simclr, moco, intensity or upright.")] = None,
    plane: Annotated[str | None, typer.Option(help="axial, coronal or sagittal.")] = None,
    pixel: Annotated[float | None, typer.Option(help="Pixel size, mm; else the whole slice is seen.")] = None,
    positions: Annotated[str, typer.Option(help="relative or mm.")] = "relative",
    window: Annotated[
        tuple[float, float] | None, typer.Option(help="Intensities to clip to (CT): low high.")
    ] = None,
    context: Annotated[
        int, typer.Option(min=1, help="Channels, an odd number: a slice and its neighbours.")
    ] = 1,
    neighbours: Annotated[
        int, typer.Option(min=0, help="Clips: the second view may be up to so many frames away.")
    ] = 0,
    replace_nonfinite: Finite = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse volumes that cannot be read.")] = False,
    name: Annotated[
        str | None, typer.Option(help="Name of the weights; not given: method and network.")
    ] = None,
    modality: Annotated[str, typer.Option(help="For the card: MR, CT, US ...")] = "unknown",
    anatomy: Annotated[str, typer.Option(help="For the card: what the images show.")] = "unknown",
    licence: Annotated[str, typer.Option(help="For the card.")] = "unknown",
    half: Annotated[bool, typer.Option("--half", help="Store the weights in float16.")] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write a log for TensorBoard, into the output folder.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the folder's checkpoint.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace weights of this name in the output folder.")
    ] = False,
    into_store: Annotated[
        bool, typer.Option("--into-store", help="Put the weights among your own weights, too.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    events: Annotated[
        bool, typer.Option("--events", help="For programs: progress, curves and result as lines of JSON.")
    ] = False,
) -> None:
    """Pretrain an encoder on unlabelled volumes; also under torchrun, on several machines."""
    printed = output_for("pretrain", json, events)  # first, so that a program is told of every error
    from contrastive_seg.pretraining.settings import POSITIONAL, check_use, replace_batch, settings_for

    chosen: dict[str, Any] = {
        "width": width,
        "batch": batch,
        "epochs": epochs,
        "steps": steps,
        "minutes": minutes,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "temperature": temperature,
        "threshold": threshold,
        "queue": queue,
        "group_channels": group_channels,
        "views": views,
    }
    settings = settings_for(
        method, preset, network, in_channels=context, seed=seed, device=device, threads=threads, **chosen
    )
    check_use(method, network, {**chosen, "positions": positions if positions == "mm" else None})
    from contrastive_seg.atomic import probe_place
    from contrastive_seg.commands.pretrain import About, draft_card, refuse_finished
    from contrastive_seg.commands.pretrain import pretrain as work
    from contrastive_seg.compute import choose_compute
    from contrastive_seg.inference.scores import Stopped
    from contrastive_seg.pretraining.checkpoint import refuse_nothing_unfinished, refuse_unfinished
    from contrastive_seg.pretraining.data.slices import SliceData
    from contrastive_seg.pretraining.distributed import own_device

    if resume and overwrite:
        raise ContrastiveSegError("usage", "--resume excludes --overwrite.", "Leave one of them out.")
    settings.check_size(size)
    settings.check_positions(positions, threshold)
    choose_compute(own_device(device), threads)  # a GPU that is missing is told before all volumes are read
    about = About(name or f"{method}-{network}", modality, anatomy, licence, "")
    draft_card(about, settings)
    if resume:
        refuse_nothing_unfinished(output)
    else:
        refuse_unfinished(output)
        if not overwrite:
            refuse_finished(output, about.name)
    probe_place(output)

    def read(done: int, count: int) -> None:
        show("reading", done / count, None)
        if printed.should_stop():
            raise Stopped

    with printed.progress() as show:
        try:
            slices = SliceData(
                data,
                size=size,
                plane=plane,
                pixel=pixel,
                positions="mm" if positions == "mm" else "relative",
                window=window,
                replace_nonfinite=replace_nonfinite,
                context=context,
                positional=method in POSITIONAL,
                strict=strict,
                neighbours=neighbours,
                on_note=printed.note,
                on_progress=read,
            )
        except Stopped:
            printed.result({"complete": False, "steps": 0}, [], ["Stopped before the first step."])
            return
    if batch is None and slices.count < settings.batch:  # nobody has asked for a large one
        settings = replace_batch(settings, slices.count)
    about = replace(about, command=_command(ctx, settings, slices.count))
    work(slices, settings, output, about, resume, half, printed, tensorboard, into_store)


def linear_eval(
    weights: Annotated[str, typer.Argument(help="Name, file or folder of pretrained weights.")],
    data: Annotated[Path, typer.Option(help="Labelled volumes: a folder with images/ and labels/.")],
    test: Annotated[
        Path | None, typer.Option(help="Likewise, for testing; else every second volume of --data.")
    ] = None,
    ignore: Annotated[
        int | None, typer.Option(help="Label value of voxels about which nothing is said.")
    ] = None,
    replace_nonfinite: Finite = False,
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 300,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Test weights without fine-tuning: train a 1x1 convolution on their features, and on random ones."""
    from contrastive_seg.commands.linear_eval import evaluate_features

    evaluate_features(
        weights,
        data,
        test,
        Output(json),
        ignore=ignore,
        replace_nonfinite=replace_nonfinite,
        steps=steps,
        seed=seed,
        device=device,
        threads=threads,
    )
