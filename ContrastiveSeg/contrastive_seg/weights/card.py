"""Weight cards: what pretrained weights are, how they were made, and which files they belong to.

Plain Python, so that a list of weights can be shown without loading PyTorch.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from contrastive_seg import strict_json
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.weights.schema import CARD_SCHEMA, problems

FORMAT = 1
_LARGEST = 1 << 20
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


@dataclass(frozen=True)
class Preprocessing:
    """How images were prepared for pretraining, and so should be prepared for what follows.

    Attributes:
        clip_percentiles: Of the volume's intensities, lower and upper; None where none are used.
        window: Intensities in scanner units instead, low and high (CT).
        pixel_mm: In-plane pixel size, the median where volumes differed; None for the image's own.
        plane: axial, coronal or sagittal; None for the volume's own slices or 2D images.
        size: Pixels along each side of a slice; None where it is not known.
    """

    clip_percentiles: tuple[float, float] | None = (0.5, 99.5)
    window: tuple[float, float] | None = None
    pixel_mm: float | None = None
    plane: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class TrainingData:
    """One data set that the weights were trained on.

    Attributes:
        name: Of the data set.
        licence: Under which it may be used.
        url: Where it comes from; empty where it is not public.
        volumes: How many were used; None where that is not known.
        slices: Likewise.
    """

    name: str
    licence: str
    url: str = ""
    volumes: int | None = None
    slices: int | None = None


@dataclass(frozen=True)
class WeightCard:
    """Everything said about pretrained weights; checked when it is made.

    Attributes:
        name: By which they are chosen, and of their files.
        version: Of the weights.
        method: Of pretraining, such as ``pcl``.
        network: ``unet``, ``echo-unet`` or ``deeplabv3``.
        width: Channels of the U-Net's first level; None for the other networks.
        in_channels: Channels of the image.
        modality: Such as MR, CT or US.
        anatomy: What the images show.
        preprocessing: How images were prepared.
        parts: ``encoder`` and maybe ``decoder``, each with what its tensors' names begin with.
        training_data: What they were trained on.
        licence: Of the weights.
        metrics: Numbers that came out, such as the loss or the effective rank.
        seed: Of the training; None where it is not known.
        command: That made them.
        engine_version: That made them.
        sha256: Of the safetensors file; empty before it is written.
        parameters: Trainable values in all parts; 0 before the file is written.

    Raises:
        ContrastiveSegError: ``bad-card``, naming the fields.
    """

    name: str
    method: str
    network: str
    width: int | None
    in_channels: int
    modality: str
    anatomy: str
    licence: str
    engine_version: str
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    parts: dict[str, str] = field(default_factory=lambda: {"encoder": "encoder."})
    training_data: tuple[TrainingData, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    seed: int | None = None
    command: str = ""
    version: str = "1"
    sha256: str = ""
    parameters: int = 0

    def __post_init__(self) -> None:
        _check(_plain(self), f"The weight card '{self.name}'")

    def to_dict(self) -> dict[str, Any]:
        """The card as JSON values, in the order of the schema."""
        values = _plain(self)
        return {key: values[key] for key in CARD_SCHEMA["properties"]}

    def to_json(self) -> str:
        """The text of a card's file."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_dict(cls, values: Any, source: str = "The weight card") -> WeightCard:
        """The card of JSON values.

        Args:
            values: As :meth:`to_dict` gives them.
            source: Begins the sentence that says what is wrong.

        Raises:
            ContrastiveSegError: ``bad-card``.
        """
        _check(values, source)
        kept = {key: value for key, value in values.items() if key != "format"}
        kept["preprocessing"] = Preprocessing(
            **{key: _tupled(value) for key, value in values["preprocessing"].items()}
        )
        kept["training_data"] = tuple(TrainingData(**one) for one in values["training_data"])
        kept["parts"] = dict(values["parts"])
        kept["metrics"] = dict(values["metrics"])
        return cls(**kept)

    @classmethod
    def from_json(cls, text: str, source: str = "The weight card") -> WeightCard:
        """The card of a file's text.

        Raises:
            ContrastiveSegError: ``bad-card``.
        """
        try:
            values = strict_json.parse(text)
        except ValueError as error:
            raise _bad(source, [f"it is no JSON text ({error})"]) from error
        return cls.from_dict(values, source)

    @classmethod
    def read(cls, path: Path) -> WeightCard:
        """The card in a file.

        Raises:
            ContrastiveSegError: ``no-card`` where there is none, ``bad-card`` where it is not right.
        """
        source = f"The weight card '{path}'"
        try:
            with path.open("rb") as file:
                data = file.read(_LARGEST + 1)
        except OSError as error:
            raise ContrastiveSegError(
                "no-card",
                f"{source} cannot be read ({error.strerror or type(error).__name__}).",
                "Keep the card beside its weights, under the same name; both come from one download "
                "or one pretraining.",
            ) from error
        if len(data) > _LARGEST:
            raise _bad(source, [f"it is larger than {_LARGEST // 1024} kB"])
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _bad(source, ["it is no text in UTF-8"]) from error
        return cls.from_json(text, source)

    def completed(self, sha256: str, parameters: int) -> WeightCard:
        """The card of a written file."""
        return replace(self, sha256=sha256, parameters=parameters)

    def renamed(self, name: str) -> WeightCard:
        """The card under another name."""
        return replace(self, name=name)


def _plain(card: WeightCard) -> dict[str, Any]:
    """JSON values: tuples become lists."""
    values: dict[str, Any] = {"format": FORMAT, **asdict(card)}
    values["preprocessing"] = {key: _listed(v) for key, v in values["preprocessing"].items()}
    values["training_data"] = list(values["training_data"])
    return values


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check(values: Any, source: str) -> None:
    found = problems(values, CARD_SCHEMA) or _disagreements(values)
    if found:
        raise _bad(source, found)


def _disagreements(values: dict[str, Any]) -> list[str]:
    """Fields that are right each by itself, but not together."""
    found = []
    name, network, width = values["name"], values["network"], values["width"]
    if _is_reserved(name):
        found.append(f"'name' cannot be '{name}', which some systems keep for devices")
    if network == "unet" and width is None:
        found.append("'width' must be a number, because 'network' is unet")
    if network != "unet" and width is not None:
        found.append(f"'width' must be null, because 'network' is {network}, which has one width only")
    preprocessing = values["preprocessing"]
    clip, window = preprocessing["clip_percentiles"], preprocessing["window"]
    if clip is not None and window is not None:
        found.append("'preprocessing.clip_percentiles' and 'preprocessing.window' exclude each other")
    if clip is not None and not 0 <= clip[0] < clip[1] <= 100:
        found.append("'preprocessing.clip_percentiles' must rise between 0 and 100")
    if window is not None and not window[0] < window[1]:
        found.append("'preprocessing.window' must rise")
    prefixes = list(values["parts"].items())
    for part, prefix in prefixes:
        for other, longer in prefixes:
            if part != other and longer.startswith(prefix):
                found.append(f"'parts.{part}' and 'parts.{other}' overlap")
    return found


def _is_reserved(name: str) -> bool:
    return name.split(".")[0].strip().lower() in _RESERVED


def check_name(name: str) -> None:
    """Says early that weights cannot be called so.

    Raises:
        ContrastiveSegError: ``bad-setting``.
    """
    wrong = problems(name, CARD_SCHEMA["properties"]["name"], "name")
    if wrong or _is_reserved(name):
        raise ContrastiveSegError(
            "bad-setting",
            f"Weights cannot be called '{name}'.",
            "Use letters, digits, spaces and . + - _ within at most 100, and no name that a system keeps for "
            "devices.",
        )


def _bad(source: str, found: list[str]) -> ContrastiveSegError:
    return ContrastiveSegError(
        "bad-card",
        f"{source} is not right: {'; '.join(found)}.",
        "Get the weights with their card again, or correct the card's fields.",
    )
