"""The command line ``contrastive-seg``: the engine without the application.

A mistake of the user ends with a sentence on stderr and exit status 2; with ``--json`` also with
``{"error": {...}}`` on stdout. Heavy packages are imported by the command that needs them, so that
``--help`` is quick.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from contrastive_seg import __version__
from contrastive_seg.cli_export import export
from contrastive_seg.cli_pretrain import linear_eval, pretrain
from contrastive_seg.cli_reproduce import reproduce
from contrastive_seg.cli_weights import weights_app
from contrastive_seg.commands.console import Output
from contrastive_seg.errors import ContrastiveSegError

app = typer.Typer(
    name="contrastive-seg",
    help="Segment whole volumes from a few annotated slices.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Seed = Annotated[int, typer.Option(help="Seed of every random choice.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Budget = Annotated[str, typer.Option(help="quick (60 s), balanced (180 s), best (600 s), or seconds.")]
Threads = Annotated[
    int | None, typer.Option(min=1, help="CPU threads; if not given, as many as other programs leave cores.")
]
Ignore = Annotated[int | None, typer.Option(help="Label value that means: not annotated.")]
Annotated_ = Annotated[
    list[str] | None,
    typer.Option(
        "--annotated", help="Slices that are annotated, such as axial:3,5,9 (counted from 0); repeatable."
    ),
]
Plane = Annotated[
    str | None,
    typer.Option(help="Plane in which the slices were painted: axial, coronal or sagittal."),
]
Finite = Annotated[
    bool, typer.Option("--replace-nonfinite", help="Replace NaN and infinite voxels instead of refusing.")
]


def _version(asked: bool) -> None:
    if asked:
        print(f"contrastive-seg {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def finetune(
    image: Annotated[Path | None, typer.Argument(help="Image file or DICOM folder.")] = None,
    labels: Annotated[Path | None, typer.Argument(help="Label map on the image's grid.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the run; made where it is missing. Required.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Instead of IMAGE LABELS: a folder with images/ and labels/.")
    ] = None,
    ignore: Ignore = None,
    annotated: Annotated_ = None,
    plane: Plane = None,
    budget: Budget = "quick",
    seed: Seed = 0,
    device: Device = "auto",
    weights: Annotated[
        str | None, typer.Option(help="Pretrained weights to start from: a name, file or folder.")
    ] = None,
    freeze_encoder: Annotated[
        float, typer.Option(help="Share of the training, 0 to 1, in which a pretrained encoder is kept.")
    ] = 0.0,
    network: Annotated[str, typer.Option(help="Without --weights: unet, echo-unet or deeplabv3.")] = "unet",
    semi_supervised: Annotated[
        str, typer.Option(help="mcsc: learn from slices without annotation too, with a second network.")
    ] = "",
    unlabelled: Annotated[
        Path | None,
        typer.Option(help="With --semi-supervised: folder, table or volume without annotation."),
    ] = None,
    threads: Threads = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Exactly so many training steps, whatever the time, to be repeatable."),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="Name of a structure, such as 1=Liver; repeatable.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the output folder's run.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the output folder's run; other files in it stay.")
    ] = False,
    replace_nonfinite: Finite = False,
    json: Json = False,
) -> None:
    """Learn a structure from a few annotated slices and segment the whole volume.

    Without --ignore and --annotated, the slices that show a label are taken as annotated.
    """
    from contrastive_seg.commands import pairs as given
    from contrastive_seg.finetuning.settings import FinetuneSettings, parse_budget

    if output is None:
        raise _usage("There is no folder for the run.", "Name one with --output RUN.")
    if data is not None and image is not None:
        raise _usage("Both an image and --data are given.", "Give IMAGE LABELS, or --data FOLDER.")
    if data is not None:
        if annotated:
            raise _usage("--annotated names slices of one image.", "Mark them with --ignore in the files.")
        found = given.pairs_in(data)
    elif image is not None and labels is not None:
        found = [given.Pair(given.stem(image), image, labels)]
    else:
        raise _usage("An image or its label map is missing.", "Give IMAGE LABELS, or --data FOLDER.")
    if not any(pair.labels is not None for pair in found):
        raise ContrastiveSegError(
            "no-annotation", f"No image in '{data}' has a label map.", "Put label maps into labels/."
        )
    if plane is not None and (ignore is not None or annotated):
        raise _usage("--plane beside --ignore or --annotated says nothing.", "Leave it out.")
    if freeze_encoder and weights is None:
        raise _usage("--freeze-encoder is given without --weights.", "Name the weights to keep.")
    if network != "unet" and weights is not None:
        raise _usage("--network is for a start without --weights, which have their own.", "Leave it out.")
    if unlabelled is not None and not semi_supervised:
        raise _usage("--unlabelled is given without a method.", "Add --semi-supervised mcsc.")
    if resume and overwrite:
        raise _usage("--resume excludes --overwrite.", "Leave one of them out.")
    settings = FinetuneSettings(
        parse_budget(budget), seed, device, weights, threads, steps, network, freeze_encoder, semi_supervised
    )
    names = _names(name or [])

    from contrastive_seg.commands.finetune import LabelReading
    from contrastive_seg.commands.finetune import finetune as work

    reading = LabelReading(ignore, plane, tuple(annotated or ()), replace_nonfinite)
    work(found, output, settings, reading, names, resume, Output(json), unlabelled, overwrite)


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(help="Folder that finetune wrote.")],
    image: Annotated[Path, typer.Argument(help="Image file or DICOM folder; or a folder of many.")],
    output: Annotated[
        Path,
        typer.Option(help="Mask to write (.nii.gz, .nrrd, .mha); for all volumes of a folder, a folder."),
    ],
    labels: Annotated[
        Path | None, typer.Option(help="Label map with annotated slices of this image, to help.")
    ] = None,
    uncertainty: Annotated[
        Path | None, typer.Option(help="Uncertainty map to write too (0 sure to 1 undecided).")
    ] = None,
    ignore: Ignore = None,
    annotated: Annotated_ = None,
    plane: Plane = None,
    mask_format: Annotated[
        str, typer.Option("--format", help="With a folder: format of the masks, nii.gz or seg.nrrd.")
    ] = "nii.gz",
    report: Annotated[
        Path | None, typer.Option(help="With a folder: HTML file with pictures and numbers of all.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="With a folder: keep masks that are there, do the rest.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace masks that are there already.")
    ] = False,
    device: Device = "auto",
    threads: Threads = None,
    replace_nonfinite: Finite = False,
    json: Json = False,
) -> None:
    """Segment another image, or all images of a folder, with what a run has learnt.

    If the name of the output ends with a format (.nii.gz), IMAGE is one image; else all volumes in it and
    in the folders below are segmented. What fails is listed, and the others go on.
    """
    from contrastive_seg.commands.finetune import LabelReading
    from contrastive_seg.commands.predict import predict as work
    from contrastive_seg.data.write import names_a_file
    from contrastive_seg.finetuning.settings import FinetuneSettings

    settings = FinetuneSettings(device=device, threads=threads)
    if names_a_file(output) or not image.is_dir():
        for option, given in (
            ("--report", report),
            ("--resume", resume),
            ("--format", mask_format != "nii.gz"),
        ):
            if given:
                raise _usage(f"{option} is for folders.", "Give a folder of images and a folder as --output.")
        if labels is None and (ignore is not None or annotated or plane is not None):
            raise _usage(
                "--ignore, --annotated and --plane say how --labels is to be read, which is not given.",
                "Add --labels, or leave them out.",
            )
        reading = LabelReading(ignore, plane, tuple(annotated or ()), replace_nonfinite)
        work(run, image, output, labels, uncertainty, settings, reading, Output(json), overwrite)
        return
    one_image = (labels, uncertainty, ignore, plane, annotated or None)
    if any(given is not None for given in one_image) or (resume and overwrite):
        raise _usage(
            "--labels, --uncertainty, --ignore, --plane and --annotated are for one image, and --resume "
            "excludes --overwrite.",
            "Leave them out, or give one image and the name of a file as --output.",
        )

    from contrastive_seg.commands.predict_folder import FolderWish, predict_folder
    from contrastive_seg.patients.segmenter import MaskFolder
    from contrastive_seg.patients.structures import check_format

    masks = MaskFolder(output, check_format(mask_format), overwrite)
    predict_folder(run, FolderWish(image, masks, resume, report, replace_nonfinite), settings, Output(json))


@app.command()
def evaluate(
    prediction: Annotated[Path, typer.Argument(help="Label map, or a folder of them.")],
    truth: Annotated[Path, typer.Argument(help="True label map, or a folder with the same names.")],
    ignore: Ignore = None,
    json: Json = False,
) -> None:
    """Dice, HD95 and surface distance (mm) of each structure in each volume."""
    from contrastive_seg.commands.evaluate import evaluate as work

    work(prediction, truth, ignore, Output(json))


@app.command()
def info(
    path: Annotated[Path | None, typer.Argument(help="An image or a run; nothing: the installation.")] = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """What is installed and which device is used; or what is in an image or a run."""
    from contrastive_seg.commands.info import info as work

    work(path, device, Output(json))


@app.command()
def demo(
    volume: Annotated[Path | None, typer.Option(help="Image; not given: the MNI152 sample.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Full label map of that image.")] = None,
    slices: Annotated[int, typer.Option(min=1, help="How many slices are taken as annotated.")] = 5,
    plane: Plane = None,
    budget: Budget = "quick",
    seed: Seed = 0,
    device: Device = "auto",
    output: Annotated[Path, typer.Option(help="Folder for table and pictures.")] = Path("demo-output"),
    json: Json = False,
) -> None:
    """Show the main job on a sample: a few annotated slices become a segmented volume."""
    from contrastive_seg.demo import run_demo
    from contrastive_seg.finetuning.settings import parse_budget

    run_demo(
        volume,
        labels,
        slices=slices,
        plane=plane,
        budget=parse_budget(budget),
        seed=seed,
        device=device,
        folder=output,
        output=Output(json),
    )


# The help lists the commands in this order, the main job first.
app.command()(export)
app.command()(reproduce)
app.command()(pretrain)
app.command("linear-eval")(linear_eval)
app.add_typer(weights_app, name="weights")


def _names(texts: list[str]) -> dict[int, str]:
    names = {}
    for text in texts:
        value, equals, name = text.partition("=")
        if not equals or not value.strip().isdecimal() or not name.strip():
            raise _usage(f"'{text}' is not a structure's name.", "Write VALUE=NAME, such as --name 1=Liver.")
        names[int(value)] = name.strip()
    return names


_INTERRUPTED = 130


def _usage(sentence: str, what_to_do: str) -> ContrastiveSegError:
    return ContrastiveSegError("usage", sentence, what_to_do)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and ends the process with the right exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        app(arguments, standalone_mode=True)
    except ContrastiveSegError as error:
        from contrastive_seg.commands.events import EventOutput

        (EventOutput.current or Output("--json" in arguments)).error(error)
        sys.exit(2)
    except Exception as error:
        from contrastive_seg.commands.events import EventOutput
        from contrastive_seg.worker.failures import as_user_error, is_out_of_memory

        if EventOutput.current is None and not is_out_of_memory(error):
            raise
        (EventOutput.current or Output("--json" in arguments)).error(as_user_error(error))
        sys.exit(2)
    except SystemExit as end:
        if end.code == _INTERRUPTED:  # that is all that typer makes of Ctrl+C
            print("Interrupted. What was complete is kept; nothing is half written.", file=sys.stderr)
        raise


if __name__ == "__main__":
    main()
