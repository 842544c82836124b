import pytest
import torch

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.pretraining.data.slices import SliceBatch
from contrastive_seg.pretraining.distributed import Processes
from contrastive_seg.pretraining.drawing import ViewDrawer
from contrastive_seg.pretraining.methods import build_method
from contrastive_seg.pretraining.settings import METHODS, PRESETS, check_use, settings_for


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_method_has_settings_in_every_preset(method, preset):
    settings = settings_for(method, preset)
    assert (settings.method, settings.preset) == (method, preset)
    assert settings.queue % settings.batch == 0


def test_presets_differ_where_code_and_paper_do():
    assert settings_for("pcl").base_temperature is None
    assert settings_for("pcl", "as-released").base_temperature == 0.07
    assert settings_for("byol").learning_rate == 3e-4
    assert settings_for("byol", "as-released").learning_rate == 0.2
    assert settings_for("macl", "as-published").learning_rate == 0.1
    assert settings_for("macl", "as-released").learning_rate == 0.01
    assert settings_for("macl", "as-released").intensity and not settings_for("macl").intensity
    assert settings_for("moco", "as-published").queue == 65536


def test_the_networks_of_the_echo_paper_use_its_optimiser_and_views():
    settings = settings_for("simclr", network="echo-unet")
    assert (settings.optimizer, settings.views) == ("adam", "simclr")
    assert settings_for("simclr").views == "upright"


@pytest.mark.parametrize("method", ["simclr", "gcl", "pcl", "macl"])
def test_what_was_published_differs_from_what_is_corrected(method: str):
    published, corrected = settings_for(method, "as-published"), settings_for(method)
    assert (published.optimizer, published.learning_rate, published.views) == ("sgd", 0.1, "spatial")
    assert (corrected.optimizer, corrected.learning_rate, corrected.views) == ("adam", 1e-3, "upright")
    assert corrected.warm_up > 0
    assert published.warm_up == settings_for(method, "as-released").warm_up == 0


@pytest.mark.parametrize(
    ("method", "network", "epochs", "batch"),
    [
        *((method, "unet", 300, 32) for method in ("pcl", "gcl", "simclr")),
        ("macl", "unet", 100, 32),
        *(("simclr", network, 300, 64) for network in ("echo-unet", "deeplabv3")),
        *((method, "deeplabv3", 300, 64) for method in ("moco", "moco-local-decorrelated")),
    ],
)
def test_presets_last_as_long_as_the_papers_and_have_their_batches(method, network, epochs, batch):
    for preset in ("as-published", "as-released"):
        settings = settings_for(method, preset, network)
        assert (settings.epochs, settings.batch) == (epochs, batch)
    corrected = settings_for(method, network=network)
    assert (corrected.epochs, corrected.batch) == (100, 32)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("network", ["echo-unet", "deeplabv3"])
def test_simclr_of_the_echo_paper_has_no_factor(preset, network):
    assert settings_for("simclr", preset, network).base_temperature is None


def test_byol_of_the_release_has_its_large_batch():
    settings = settings_for("byol", "as-released")
    assert (settings.epochs, settings.batch, settings.learning_rate) == (300, 256, 0.2)
    assert settings_for("byol", "as-published").epochs == 300


def test_regions_are_compared_only_where_views_show_the_same_place():
    with pytest.raises(ContrastiveSegError) as told:
        settings_for("moco-local-decorrelated", views="moco")
    assert told.value.code == "bad-setting" and "intensity" in told.value.what_to_do


def test_what_the_user_chooses_comes_first():
    assert settings_for("pcl", "as-released", threshold=0.35, batch=None).threshold == 0.35


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"method": "dino"}, "method"),
        ({"preset": "best"}, "preset"),
        ({"network": "vit"}, "network"),
        ({"threshold": 0.0}, "threshold"),
        ({"temperature": -1.0}, "temperature"),
        ({"batch": 1}, "batch"),
        ({"steps": 0}, "steps"),
        ({"method": "moco", "batch": 24, "queue": 100}, "queue"),
        ({"method": "macl", "network": "deeplabv3"}, "unet"),
        ({"grid": 1}, "grid"),
        ({"method": "moco-local-decorrelated", "group_channels": -5}, "group-channels"),
        *(
            ({name: value}, name.replace("_", "-"))
            for name in ("temperature", "threshold", "learning_rate", "epochs", "minutes", "weight_decay")
            for value in (float("inf"), float("nan"))
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_name(changes, word):
    with pytest.raises(ContrastiveSegError) as caught:
        settings_for(**{"method": "pcl", **changes})
    assert caught.value.code == "bad-setting"
    assert word in str(caught.value)


@pytest.mark.parametrize(
    ("method", "network", "size", "fine"),
    [
        *(("macl", "unet", size, size % 64 == 0) for size in (32, 48, 64, 96, 128)),
        *(("moco-local-decorrelated", "unet", size, size >= 64) for size in (32, 48, 64, 80)),
        *(("moco-local-decorrelated", "echo-unet", size, size >= 64) for size in (48, 64)),
        ("moco-local-decorrelated", "deeplabv3", 32, True),
        *(("pcl", "unet", size, True) for size in (32, 48)),
        *(("moco", "echo-unet", 32, True), ("byol", "unet", 32, True), ("simclr", "unet", 48, True)),
    ],
)
def test_sizes_are_refused_exactly_where_the_method_cannot_take_them(method, network, size, fine):
    chosen = settings_for(method, network=network, width=4, batch=4, queue=8 if "moco" in method else None)
    module = build_method(chosen).train()
    images = torch.randn(4, 1, size, size)
    batch = SliceBatch(images, None, torch.arange(4.0) / 4, torch.arange(4) % 4 + 1, torch.zeros(4))
    views = ViewDrawer(chosen, Processes(), 0)
    if fine:
        chosen.check_size(size)
        assert bool(torch.isfinite(module.loss(batch, views)["loss"]))
        return
    with pytest.raises(ContrastiveSegError, match="'size' is") as caught:
        chosen.check_size(size)
    assert caught.value.code == "bad-setting" and method in str(caught.value)
    with pytest.raises((RuntimeError, ValueError)):
        module.loss(batch, views)


@pytest.mark.parametrize("method", ["pcl", "macl"])
def test_positions_in_millimetres_need_a_threshold_in_millimetres(method):
    settings = settings_for(method)
    with pytest.raises(ContrastiveSegError, match="millimetres") as caught:
        settings.check_positions("mm", None)
    assert caught.value.code == "bad-setting" and "--threshold" in caught.value.what_to_do
    settings.check_positions("mm", 5.0)
    settings.check_positions("relative", None)
    settings_for("gcl").check_positions("mm", None)  # it asks for the quarter only
    with pytest.raises(ContrastiveSegError, match="positions"):
        settings.check_positions("cm", 5.0)


def test_epochs_become_steps():
    assert settings_for("pcl", batch=10, epochs=3).step_count(45) == 12
    assert settings_for("pcl", steps=7).step_count(45) == 7


@pytest.mark.parametrize(
    ("method", "network", "chosen", "said"),
    [
        ("pcl", "unet", {"queue": 64}, "--queue"),
        ("moco", "unet", {"group_channels": 8}, "--group-channels"),
        ("simclr", "unet", {"threshold": 0.2}, "--threshold"),
        ("gcl", "unet", {"positions": "mm"}, "--positions"),
        ("byol", "unet", {"temperature": 0.2}, "--temperature"),
        ("simclr", "deeplabv3", {"width": 16}, "--width"),
        ("pcl", "unet", {"steps": 5, "minutes": 1.0}, "--steps and --minutes exclude each other"),
        ("pcl", "unet", {"steps": 5, "epochs": 1.0}, "--steps and --epochs exclude each other"),
    ],
)
def test_what_would_not_be_heeded_is_refused(method, network, chosen, said):
    with pytest.raises(ContrastiveSegError) as caught:
        check_use(method, network, chosen)
    assert caught.value.code == "bad-setting" and said in str(caught.value)


@pytest.mark.parametrize("method", METHODS)
def test_what_a_method_heeds_may_be_chosen(method):
    mine = {"moco": {"queue": 64}, "pcl": {"threshold": 0.2, "positions": "mm"}, "macl": {"temperature": 0.1}}
    check_use(method, "unet", {"width": 8, "steps": 3, "epochs": None, **mine.get(method, {})})
