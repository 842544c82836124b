"""Weight cards as JSON: what goes in comes out, and what is wrong is named."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from weight_parts import card_for

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.weights.card import Preprocessing, TrainingData, WeightCard
from contrastive_seg.weights.schema import CARD_SCHEMA

texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30).filter(str.strip)
numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.none() | st.integers(0, 10**9)
rising = st.tuples(st.floats(0, 49), st.floats(50, 100))
clipping = st.one_of(
    st.fixed_dictionaries({"clip_percentiles": st.none() | rising, "window": st.none()}),
    st.fixed_dictionaries({"clip_percentiles": st.none(), "window": rising}),
)
networks = st.one_of(
    st.tuples(st.just("unet"), st.integers(1, 256)),
    st.tuples(st.sampled_from(["echo-unet", "deeplabv3"]), st.none()),
)


@st.composite
def cards(draw: st.DrawFn) -> WeightCard:
    """Any card that is right."""
    network, width = draw(networks)
    return WeightCard(
        name=draw(st.from_regex(r"[A-Za-zäß脳][\w .+-]{0,20}x", fullmatch=True)),
        version=draw(st.from_regex(r"[0-9][0-9a-z.+-]{0,10}", fullmatch=True)),
        method=draw(st.sampled_from(["pcl", "simclr", "moco-local-decorrelated", "a-later-one"])),
        network=network,
        width=width,
        in_channels=draw(st.integers(1, 9)),
        modality=draw(texts),
        anatomy=draw(texts),
        licence=draw(texts),
        engine_version=draw(texts),
        preprocessing=Preprocessing(
            **draw(clipping),
            pixel_mm=draw(st.none() | st.floats(0.01, 10)),
            plane=draw(st.sampled_from([None, "axial", "coronal", "sagittal"])),
            size=draw(st.none() | st.integers(1, 2048)),
        ),
        parts=draw(st.sampled_from([{"encoder": "encoder."}, {"encoder": "a.", "decoder": "b."}])),
        training_data=tuple(
            draw(st.lists(st.builds(TrainingData, texts, texts, st.text(max_size=9), counts, counts)))
        ),
        metrics=draw(st.dictionaries(texts, numbers, max_size=4)),
        seed=draw(st.none() | st.integers()),
        command=draw(texts),
        sha256=draw(st.just("") | st.from_regex("[0-9a-f]{64}", fullmatch=True)),
        parameters=draw(st.integers(0, 10**9)),
    )


@given(cards())
def test_a_card_comes_back_from_json_as_it_was(card: WeightCard) -> None:
    text = card.to_json()
    assert WeightCard.from_json(text) == card
    assert WeightCard.from_json(text).to_json() == text
    assert set(json.loads(text)) == set(CARD_SCHEMA["properties"])


@given(cards(), st.data())
def test_a_card_without_one_of_its_fields_is_refused_by_the_fields_name(
    card: WeightCard, data: st.DataObject
) -> None:
    values = card.to_dict()
    field = data.draw(st.sampled_from(sorted(values)))
    del values[field]
    assert f"'{field}'" in _refusal(values)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(CARD_SCHEMA["properties"])), anything)
def test_whatever_a_field_holds_the_card_is_right_or_refused_by_the_fields_name(
    field: str, value: Any
) -> None:
    values = {**card_for().to_dict(), field: value}
    try:
        card = WeightCard.from_dict(values)
    except ContrastiveSegError as error:
        assert error.code == "bad-card" and (field in str(error) or field == "format")
    else:
        assert card.to_dict()[field] == value


@given(st.text(max_size=200) | anything.map(repr))
def test_any_other_text_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ContrastiveSegError) as refused:
        WeightCard.from_json(text)
    assert refused.value.code == "bad-card" and refused.value.sentence.endswith(".")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["trained_by"], "me", "the field 'trained_by' is unknown"),
        (["preprocessing", "blur"], 1, "the field 'preprocessing.blur' is unknown"),
        (["network"], "vgg", "'network' must be one of unet, echo-unet, deeplabv3, not 'vgg'"),
        (["width"], None, "'width' must be a number, because 'network' is unet"),
        (["width"], True, "'width' must be a whole number or null, not True"),
        (["width"], 0, "'width' must be at least 1, not 0"),
        (["network"], "deeplabv3", "'width' must be null, because 'network' is deeplabv3"),
        (["preprocessing", "window"], [-100, 300], "exclude each other"),
        (["preprocessing", "clip_percentiles"], [99.5, 0.5], "must rise between 0 and 100"),
        (["preprocessing", "clip_percentiles"], [1], "must have 2 entries, not 1"),
        (["preprocessing", "pixel_mm"], 0, "'preprocessing.pixel_mm' must be above 0"),
        (["preprocessing", "plane"], "oblique", "must be one of axial, coronal, sagittal, null"),
        (["training_data"], [{"name": "A"}], "'training_data[0]' lacks the field 'licence'"),
        (["metrics"], {"dice": "good"}, "'metrics.dice' must be a number, not 'good'"),
        (["metrics"], {"dice": math.inf}, "'metrics.dice' must be finite"),
        (["parts"], {"decoder": "decoder."}, "'parts' lacks the field 'encoder'"),
        (["parts"], {"encoder": "net.", "decoder": "net.up."}, "'parts.encoder' and 'parts.decoder' overlap"),
        (["sha256"], "ABC", "'sha256' cannot be 'ABC'"),
        (["format"], 2, "'format' must be 1, not 2"),
        (["licence"], "  ", "'licence' must not be empty"),
        (["name"], "../escape", "'name' cannot be '../escape'"),
        (["name"], "aux", "'name' cannot be 'aux', which some systems keep for devices"),
    ],
)
def test_what_is_wrong_with_a_card_is_said(path: list[str], value: Any, said: str) -> None:
    values = card_for().to_dict()
    place = values
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert said in _refusal(values)


def test_all_wrong_fields_are_named_at_once() -> None:
    sentence = _refusal({**card_for().to_dict(), "seed": "x", "in_channels": 0, "extra": 1})
    assert "'seed'" in sentence and "'in_channels'" in sentence and "'extra'" in sentence


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"name": 1, "name": 2}', "the field 'name' occurs twice"),
        ('{"seed": NaN}', "NaN is no number of JSON"),
        ("[" * 100_000, "no JSON text"),
        ("[]", "it must be an object"),
    ],
)
def test_text_that_is_no_card_is_refused(text: str, said: str) -> None:
    with pytest.raises(ContrastiveSegError, match="is not right") as refused:
        WeightCard.from_json(text)
    assert said in refused.value.sentence


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "no-card"), (b"\xff\xfe{", "bad-card"), (b" " * (1 << 20) + b"{}", "bad-card")],
    ids=["none", "no UTF-8", "too large"],
)
def test_a_card_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, code: str) -> None:
    path = tmp_path / "x.card.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ContrastiveSegError) as refused:
        WeightCard.read(path)
    assert refused.value.code == code and str(path) in refused.value.sentence


def test_a_wrong_card_cannot_even_be_made() -> None:
    with pytest.raises(ContrastiveSegError, match="'modality' must not be empty"):
        card_for(modality="")


def _refusal(values: dict[str, Any]) -> str:
    with pytest.raises(ContrastiveSegError) as refused:
        WeightCard.from_dict(values)
    assert refused.value.code == "bad-card" and refused.value.what_to_do
    return refused.value.sentence
