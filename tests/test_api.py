"""The verbs from Python: their keywords, what they take for pictures, what a notebook shows."""

import inspect
import sys
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints

import pytest

import genus
from genus import api
from genus.api import TrainOptions, listener, log_events
from genus.config import TrainConfig
from genus.data.find import Found
from genus.types import Note, Progress
from genus.workflows.reporting.report import result_html


def test_the_keywords_of_train_are_the_options() -> None:
    signature = inspect.signature(genus.train)
    hints, own = get_type_hints(TrainConfig), get_type_hints(TrainOptions)
    keywords = {name: value for name, value in signature.parameters.items() if name not in ("preset", "on_event")}
    assert set(keywords) == {field.name for field in fields(TrainConfig)} == {"data", *own}
    for field in fields(TrainConfig):
        assert Path(keywords["data"].default) == TrainConfig().data
        if field.name != "data":
            assert keywords[field.name].default == field.default
            assert own[field.name] == hints[field.name] or str(own[field.name]) == str(hints[field.name]).replace(
                "pathlib.Path", "pathlib.Path | str"
            )
    with pytest.raises(genus.GenusError, match="Did you mean 'epochs'"):
        genus.train("photos", epoch=3)  # type: ignore[call-arg]


def test_options_that_are_not_given_are_the_presets(monkeypatch: pytest.MonkeyPatch) -> None:
    configs: list[TrainConfig] = []
    monkeypatch.setattr(api, "train_workflow", lambda config, on_event: configs.append(config))
    genus.train("photos", preset="best", lr=1e-4)
    genus.train("photos", preset="best", epochs=100)
    assert [(config.epochs, config.lr) for config in configs] == [(8, 1e-4), (100, 3e-4)]


@pytest.mark.parametrize("pictures", [3, None, b"x.jpg", [b"x.jpg"], ["x.jpg", 3]])
def test_what_is_no_path_is_not_explained(pictures: Any) -> None:
    with pytest.raises(TypeError, match="a path or a list of paths"):
        genus.explain("run", pictures)


@pytest.mark.parametrize("run", [3, None, b"run", ["run"], object()])
def test_what_is_no_path_is_no_run(run: Any) -> None:
    calls = (genus.load, genus.evaluate, lambda it: genus.explain(it, "x.jpg"), lambda it: genus.compare("run", it))
    for call in calls:
        with pytest.raises(TypeError, match=r"A run is a path \(str or Path\), not "):
            call(run)
    if run is not None:
        with pytest.raises(TypeError, match="The data is a path"):
            genus.evaluate("run", run)
        with pytest.raises(TypeError, match="The folder out is a path"):
            genus.explain("run", "x.jpg", run)


def test_a_single_path_is_one_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(api, "find_pictures", lambda paths: asked.append(paths) or Found())
    monkeypatch.setattr(api, "load", lambda run, device: None)
    monkeypatch.setattr(api, "explain_paths", lambda *arguments, **more: iter(()))
    for pictures in ("x.jpg", Path("x.jpg"), ["x.jpg"], iter([Path("x.jpg")])):
        assert genus.explain("run", pictures) == []
    assert asked == [["x.jpg"]] * 4


def test_a_notebook_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    assert listener() is log_events
    pages: list[str] = []
    handle = SimpleNamespace(update=pages.append)

    def display(page: str, display_id: bool) -> SimpleNamespace:
        pages.append(page)
        return handle

    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(HTML=str, display=display))
    on_event = listener()
    for event in (Note("quiet"), Progress("<reading>", 1, 9), Progress("<reading>", 2, 9), Progress("<reading>", 9, 9)):
        on_event(event)
    assert [page.split("</progress>")[1] for page in pages] == [
        " &lt;reading&gt;: 1 of 9</div>",
        " &lt;reading&gt;: 9 of 9</div>",
    ]
    del shell.kernel  # a terminal's IPython
    assert listener() is log_events


def test_short_results() -> None:
    page = result_html(Path("runs/<x>"), "Accuracy 0.9 on <80> pictures.", ("few of <a>",))
    assert "&lt;80&gt; pictures.<br>Caution: few of &lt;a&gt;<br>" in page
    assert "runs/&lt;x&gt;/report.html" in page
