"""The report of a run: what it says is what metrics.json and the terminal say, and it shows the run's own pictures."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import FAST, Genus


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


def text_of(report: Path) -> str:
    parser = _Text()
    parser.feed(report.read_text(encoding="utf-8"))
    return re.sub(r"\s+", " ", " ".join(parser.texts))


def data_of(report: Path) -> dict:
    block = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', report.read_text("utf-8"), re.DOTALL)
    assert block
    return json.loads(block[1])


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "run")


def test_report_terminal_and_json_say_the_same(genus: Genus, run: Path) -> None:
    result = genus("evaluate", run)
    assert result.code == 0, result.err
    test, text = json.loads((run / "metrics.json").read_text())["test"], text_of(run / "report.html")
    accuracy = test["accuracy"]
    assert f"Test accuracy {accuracy['value']:.4f} (95 % interval {accuracy['low']:.3f} to" in result.out
    assert f"{100 * accuracy['value']:.1f} %" in text
    assert f"{100 * accuracy['low']:.1f}–{100 * accuracy['high']:.1f} %" in text
    numbers = [accuracy, test["macro_precision"], test["macro_recall"], test["macro_f1"]]
    for row in test["per_class"]:
        assert re.search(rf"{row['label']} +{row['n']} ", result.out)
        numbers += [row["precision"], row["recall"]]
    for number in numbers[1:]:
        assert f"{number['value']:.3f} ({number['low']:.3f}-{number['high']:.3f})" in result.out
        assert f"{100 * number['value']:.1f} % {100 * number['low']:.1f}–{100 * number['high']:.1f} %" in text
    for name in ("ece", "log_loss", "brier"):
        assert f"{test[name]:.3f}: " in text  # and then in words what it is
        assert f"{test[name]:.3f} ({test['uncalibrated'][name]:.3f}" in result.out
    known = test["known"]
    assert f"{100 * known['share']['value']:.1f} %" in text
    assert f"{known['share']['value']:.1%}".replace("%", " %") in result.out
    pictures = data_of(run / "report.html")["pictures"]
    counts = np.zeros((3, 3), int)
    for picture in pictures:
        counts[picture["truth"], picture["top"][0][0]] += 1
    assert counts.tolist() == test["confusion"]  # few pictures: all are in the file


def test_training_writes_it_with_all_that_a_reader_needs(trained: Path, drawn: Path) -> None:
    text = text_of(trained / "report.html")
    assert "efficientnet_lite0" in text
    assert f"genus train {drawn}" in text
    assert "Apache-2.0" in text
    assert "63 train, 12 val, 15 test" in text
    assert "There are only 15 test pictures" in text  # a warning on the first screen
    assert "Test pictures looked at 1 time" in text
    for title in (
        "Do probabilities mean what they say?",
        "What does it cost to answer more?",
        "How did the loss fall?",
    ):
        assert title in text
    addresses = set(re.findall(r"https?://[^\"' <]+", (trained / "report.html").read_text(encoding="utf-8")))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # the name of a format


def test_studies_are_in_it_once_they_are_made(genus: Genus, run: Path) -> None:
    assert "What would more pictures bring?" not in text_of(run / "report.html")
    result = genus("evaluate", run, "--learning-curve", "--label-errors")
    assert result.code == 0, result.err
    text = text_of(run / "report.html")
    assert "What would more pictures bring?" in text
    assert "never fine-tuned" in text
    gain = json.loads((run / "learning_curve.json").read_text())["gain"]["value"]
    assert f"Twice as many: {100 * gain:+.1f} points" in text
    assert "What next" in text
    assert f"genus predict {run} PICTURE..." in text
    assert "--learning-curve" not in text[text.index("What next Name") :]  # it is there already
    first = (run / "label_errors.csv").read_text().splitlines()
    assert ("Labels that look wrong" in text) == (len(first) > 1)


def test_other_pictures_have_a_report_of_their_own(genus: Genus, run: Path, tmp_path: Path, drawn: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(drawn / "rose", other / "rose")
    shutil.copytree(drawn / "daisy", other / "da<b>isy", dirs_exist_ok=True)
    shutil.move(other / "da<b>isy", other / "daisy")
    before = (run / "report.html").read_bytes()
    assert genus("evaluate", run, other, "--all-pictures").code == 0
    page = run / "evaluate-other" / "report.html"
    text, html = text_of(page), page.read_text(encoding="utf-8")
    assert "60 test pictures" in text
    assert "<title>other</title>" in html
    assert f"efficientnet_lite0, trained on {drawn.name}" in text
    assert f"Folder {other.resolve()} " in text
    assert f"Trained on {drawn.resolve()}" in text
    assert "63 train" not in text  # that is said of the run's own pictures, in its own report
    assert re.search(r"<th[^>]*><button[^>]*>Test</button>", html)
    assert not re.search(r"<th[^>]*><button[^>]*>Train</button>", html)
    assert (run / "report.html").read_bytes() == before


def test_a_run_with_fewer_files_still_has_a_report(genus: Genus, run: Path, drawn: Path, tmp_path: Path) -> None:
    (run / "config.toml").write_text("no_such_option = 1\n")
    for name in ("metrics.jsonl", "test_openings.jsonl", "split.json"):
        (run / name).unlink()
    other = shutil.copytree(drawn / "rose", tmp_path / "other" / "rose").parent
    shutil.copytree(drawn / "tulip", other / "tulip")
    assert genus("evaluate", run, other).code == 0
    text = text_of(run / "evaluate-other" / "report.html")
    assert "Model card" in text
    assert "How did the loss fall?" not in text


def test_odd_files_cost_themselves_only(genus: Genus, run: Path) -> None:
    """Sound JSON and CSV that does not say what it should."""
    before = json.loads((run / "metrics.json").read_text())
    odd = {
        "metrics.json": json.dumps(before | {"val": before["val"] | {"log_loss": float("nan")}}),
        "cross_validation.json": '{"pictures": 9, "accuracies": "abc", "mean": 0.9}',
        "learning_curve.json": '{"points": [{"pictures": 9}], "gain": null}',
        "label_errors.csv": "a,b\n1,2\n",
        "metrics.jsonl": (run / "metrics.jsonl").read_text().replace('"epoch": 1,', '"epoch": "1",', 1),
    }
    for name, text in odd.items():
        (run / name).write_text(text)
    result = genus("evaluate", run)
    assert result.code == 0, result.err
    for name in odd:
        assert f"Caution: {run / name} cannot be read and is not used: " in result.err
    after = json.loads((run / "metrics.json").read_text())
    assert (after["test"]["confusion"], after["val"]) == (before["test"]["confusion"], None)
    text = text_of(run / "report.html")
    for title in ("Cross-validation", "What would more pictures bring?", "How did the loss fall?"):
        assert title not in text


def test_pictures_that_are_gone_are_left_out(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    data, run = shutil.copytree(drawn, tmp_path / "data"), tmp_path / "run"
    assert genus("train", data, "--out", run, "--epochs", "2", "--cv", "3", *FAST).code == 0
    found = json.loads((run / "cross_validation.json").read_text())
    value, low, high = (100 * found["accuracy"][key] for key in ("value", "low", "high"))
    folds = [100 * accuracy for accuracy in found["accuracies"]]
    told = f"{value:.1f} % ({low:.1f}–{high:.1f} %), folds {min(folds):.1f}–{max(folds):.1f} %"
    assert f"Cross-validation, 3 folds, features of the pretrained network {told}" in text_of(run / "report.html")
    shown = len(data_of(run / "report.html")["pictures"])
    split = json.loads((run / "split.json").read_text())["members"]
    for member in [member for member in split if member["part"] == "train"][::2]:
        (data / member["path"]).unlink()
    (data / next(member["path"] for member in split if member["part"] == "test")).write_bytes(b"broken")
    assert genus("evaluate", run).code == 0
    assert len(data_of(run / "report.html")["pictures"]) == shown - 1
