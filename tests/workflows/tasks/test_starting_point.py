"""Which model ``auto`` stands for: never a random one."""

import re

import pytest

from genus.config import TrainConfig
from genus.errors import MachineError, UsageError, install_hint
from genus.models.sources import Pretrained
from genus.types import Event, Note, Preprocess
from genus.workflows.tasks import starting_point as choose_model
from genus.workflows.tasks.starting_point import choose_name, preprocess_for


@pytest.mark.parametrize(
    ("swin", "answers", "lite", "expected"),
    [
        ("cached", False, "installed", "swin_tiny"),
        ("downloadable", True, "installed", "swin_tiny"),
        ("downloadable", False, "installed", "efficientnet_lite0"),
        ("downloadable", False, "cached", "efficientnet_lite0"),
        ("downloadable", False, "downloadable", None),
    ],
)
def test_auto(swin: str, answers: bool, lite: str, expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def availability(pretrained: Pretrained) -> str:
        return lite if pretrained.package else swin

    monkeypatch.setattr(choose_model, "availability", availability)
    monkeypatch.setattr(choose_model, "hub_answers", lambda pretrained: answers)
    events: list[Event] = []
    if expected is None:
        with pytest.raises(MachineError, match=re.escape(install_hint("demo"))):
            choose_name(TrainConfig(), events.append)
    else:
        assert choose_name(TrainConfig(), events.append) == expected
        assert [expected in event.text for event in events if isinstance(event, Note)] == [True]


def test_unknown_name() -> None:
    with pytest.raises(UsageError, match="Did you mean 'vit_base_patch16'"):
        choose_name(TrainConfig(model="vit_base_patch_16"), lambda event: None)


def test_pictures_are_prepared_as_usual_but_for_what_is_asked() -> None:
    usual = Preprocess(64, crop=0.9, fit="pad")
    assert preprocess_for(TrainConfig(), usual) == usual
    assert preprocess_for(TrainConfig(image_size=96), usual) == Preprocess(96, crop=0.9, fit="pad")
    assert preprocess_for(TrainConfig(fit="crop"), usual) == Preprocess(64, crop=0.9)
