"""The configuration of a MONAI bundle: https://docs.monai.io/en/stable/mb_specification.html."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from contrastive_seg.atomic import write_json
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.export.card import ORIENTATION

MODEL = "models/model.ts"
_SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
)


def write_configs(folder: Path, card: dict[str, Any]) -> None:
    """Writes ``configs/metadata.json`` and ``configs/inference.json``, and reads them as MONAI does.

    Raises:
        ContrastiveSegError: ``export-differs`` where MONAI cannot read what was written.
    """
    configs = folder / "configs"
    configs.mkdir()
    write_json(configs / "metadata.json", metadata(card))
    write_json(configs / "inference.json", inference(card))
    from monai.bundle import ConfigParser

    parser = ConfigParser()
    try:
        parser.read_config(str(configs / "inference.json"))
        parser.read_meta(str(configs / "metadata.json"))
        for name in ("preprocessing", "inferer", "postprocessing"):
            parser.get_parsed_content(name)
    except Exception as error:
        raise ContrastiveSegError(
            "export-differs",
            f"MONAI cannot read the bundle that was written ({error}). It was not kept.",
            "Use another version of MONAI, or export to torchscript.",
        ) from error


def metadata(card: dict[str, Any]) -> dict[str, Any]:
    """The content of ``metadata.json``; the whole card stands in it under ``contrastive_seg``."""
    engine, channels = card["engine"], card["output"]["channels"]
    classes = {str(one["channel"]): one["name"] for one in channels}
    structures = ", ".join(one["name"] for one in channels[1:])
    return {
        "schema": _SCHEMA,
        "version": "1.0.0",
        "changelog": {"1.0.0": "exported from ContrastiveSeg"},
        "monai_version": str(engine["monai"]),
        "pytorch_version": str(engine["torch"]).split("+")[0],
        "numpy_version": str(engine["numpy"]),
        "required_packages_version": {"nibabel": "5.0.0"},
        "supported_apps": {},
        "name": card["name"],
        "task": f"Segmentation of {structures}",
        "description": "A network tuned with ContrastiveSeg on a few annotated slices of a volume; it looks "
        "at a slice and its two neighbours at a time.",
        "authors": "The user of ContrastiveSeg who annotated the slices",
        "copyright": "Not stated; see docs/README.txt for the licence of the starting weights",
        "data_source": "Not part of the bundle; SHA256 of the inputs: contrastive_seg.provenance",
        "data_type": "nifti",
        "image_classes": "one channel of any intensities; clipped to percentiles and standardised",
        "label_classes": ", ".join(f"{one['value']} is {one['name']}" for one in channels),
        "pred_classes": f"{len(channels)} channels of scores, channel 0 is background",
        "eval_metrics": {"dice_estimate": card["dice_estimate"]},
        "intended_use": card["intended_use"],
        "references": [],
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "magnitude",
                    "modality": "any",
                    "num_channels": card["input"]["shape"][1],
                    "spatial_shape": ["16*n", "16*n"],
                    "dtype": "float32",
                    "value_range": [],
                    "is_patch_data": False,
                    "channel_def": {str(n): text for n, text in enumerate(card["input"]["channels"])},
                }
            },
            "outputs": {
                "pred": {
                    "type": "probabilities",
                    "format": "segmentation",
                    "num_channels": len(channels),
                    "spatial_shape": ["16*n", "16*n"],
                    "dtype": "float32",
                    "value_range": card["output"]["range"],
                    "is_patch_data": False,
                    "channel_def": classes,
                }
            },
        },
        "contrastive_seg": card,
    }


def inference(card: dict[str, Any]) -> dict[str, Any]:
    """The content of ``inference.json``: from image files to masks on their own grid."""
    axis = card["input"]["planes"][0]["slice_axis"]
    pixel = card["input"]["pixel_mm"]
    spacing = [pixel[0]] * 3
    spacing[axis] = -1.0  # not positive: the image's own
    low, high = card["input"]["normalisation"]["clip_percentiles"]
    dim = axis + 1
    values = [one["value"] for one in card["output"]["channels"]]
    last = f"x.shape[{dim}] - 1"
    before = f"torch.cat([x.narrow({dim}, 0, 1), x.narrow({dim}, 0, {last})], {dim})"
    after = f"torch.cat([x.narrow({dim}, 1, {last}), x.narrow({dim}, {last}, 1)], {dim})"
    return {
        "imports": ["$import glob", "$import os", "$import torch"],
        "bundle_root": ".",
        "dataset_dir": "$os.path.join(@bundle_root, 'images')",
        "output_dir": "$os.path.join(@bundle_root, 'eval')",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "datalist": "$sorted(glob.glob(os.path.join(@dataset_dir, '*.nii*')))",
        "network_def": f"$torch.jit.load(os.path.join(@bundle_root, '{MODEL}'), map_location=@device)",
        "network": "$@network_def.eval()",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image", "image_only": True},
                {"_target_": "EnsureChannelFirstd", "keys": "image"},
                {"_target_": "EnsureTyped", "keys": "image", "dtype": "$torch.float32"},
                {"_target_": "Orientationd", "keys": "image", "axcodes": ORIENTATION, "labels": None},
                {
                    "_target_": "ScaleIntensityRangePercentilesd",
                    "keys": "image",
                    "lower": low,
                    "upper": high,
                    "b_min": 0.0,
                    "b_max": 1.0,
                    "clip": True,
                },
                {"_target_": "NormalizeIntensityd", "keys": "image"},
                {"_target_": "Spacingd", "keys": "image", "pixdim": spacing, "mode": "bilinear"},
                {
                    "_target_": "Lambdad",
                    "keys": "image",
                    "func": f"$lambda x: torch.cat([{before}, x, {after}], 0)",
                },
            ],
        },
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{'image': one} for one in @datalist]",
            "transform": "@preprocessing",
        },
        "inferer": {
            "_target_": "SliceInferer",
            "roi_size": [-1, -1],
            "spatial_dim": axis,
            "sw_batch_size": 4,
            "progress": False,
        },
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {
                    "_target_": "Invertd",
                    "keys": "pred",
                    "transform": "@preprocessing",
                    "orig_keys": "image",
                    "nearest_interp": False,
                    "to_tensor": True,
                },
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
                {
                    "_target_": "Lambdad",
                    "keys": "pred",
                    "func": f"$lambda x: torch.tensor({json.dumps(values)}, device=x.device)[x.long()]",
                    "overwrite": True,
                },
                {
                    "_target_": "SaveImaged",
                    "keys": "pred",
                    "output_dir": "@output_dir",
                    "output_postfix": "seg",
                    "output_dtype": "$'int16'",
                    "separate_folder": False,
                    "resample": False,
                    "print_log": False,
                },
            ],
        },
        "initialize": ["$torch.set_grad_enabled(False)"],
        "run": [
            "$[@postprocessing({**one, 'pred': @inferer(one['image'][None].to(@device), @network)[0]})"
            " for one in @dataset]"
        ],
    }
