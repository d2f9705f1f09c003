"""One picture, one answer: whatever the form, the company and the thread it comes in."""

import io
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from genus.bundle import Bundle, save_bundle
from genus.data.decode import decode
from genus.description import Architecture
from genus.engine.torch_engine import Normalise
from genus.errors import GenusError, MachineError, ModelError, PictureError, UsageError
from genus.models.backbone import module
from genus.predictor import Predictions, Predictor, load
from genus.probabilities import softmax
from genus.types import Prediction, Preprocess
from tests import corpus
from tests.models.closeness import randomise
from tests.models.test_registry import SMALLEST, TINY

CLASSES = ("ant", "bee", "cat")
PREPROCESS = Preprocess(32, crop=0.9)


def new_bundle(name: str = "swin_tiny", classes: tuple[str, ...] = CLASSES) -> Bundle:
    architecture = Architecture(name, TINY[name])
    model = architecture.build(len(classes))
    randomise(module(model))
    return Bundle(model, architecture, classes, PREPROCESS)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(new_bundle(), device="cpu", workers=2)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = corpus.write_folder(tmp_path_factory.mktemp("photos"), {"any": 12})
    return sorted(root.rglob("*.jpg"))


def logits(predictor: Predictor, sources: list[Path]) -> np.ndarray:
    answers = list(predictor.answers(sources))
    assert [answer.index for answer in answers] == list(range(len(sources)))
    return np.stack([answer.logits for answer in answers if answer.logits is not None])


def test_the_answer_is_softmax_of_the_model_on_the_decoded_picture(predictor: Predictor, photos: list[Path]) -> None:
    pixels = torch.from_numpy(decode(photos[0], PREPROCESS))[None]
    with torch.no_grad():
        probabilities = torch.softmax(predictor.bundle.model(Normalise(PREPROCESS)(pixels))[0].double(), 0)
    best = sorted(zip(probabilities.tolist(), CLASSES, strict=True), reverse=True)
    found = predictor.predict(photos[0])
    assert [label for label, _ in found.top] == [label for _, label in best]
    assert [share for _, share in found.top] == pytest.approx([share for share, _ in best], abs=1e-6)
    assert (found.label, found.probability, found.known) == (*found.top[0], None)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_every_form_of_a_picture_gives_the_same_answer(kind: str, predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(corpus.encode(corpus.scene((50, 40)), kind))
    data = path.read_bytes()
    written = io.BytesIO()
    written.write(data)  # its position is the end
    sources = [path, str(path), data, bytearray(data), memoryview(data), written, Image.open(path)]
    with path.open("rb") as file:
        answers = list(predictor.predict([*sources, file, np.asarray(Image.open(path))]))
    alone = predictor.predict(path)
    assert [predictor.predict(source) for source in sources] == [alone] * 7
    assert [answer.label for answer in answers] == [alone.label] * 9
    assert [answer.probability for answer in answers] == pytest.approx([alone.probability] * 9, abs=1e-6)


def test_grey_pixels_and_parts_of_a_larger_array(predictor: Predictor) -> None:
    pixels = np.asarray(corpus.scene((50, 40)))
    grey = pixels[:, :, 0]
    assert predictor.predict(grey) == predictor.predict(np.repeat(grey[:, :, None], 3, axis=2))
    assert predictor.predict(pixels[::-1, ::2]) == predictor.predict(pixels[::-1, ::2].copy())


@pytest.mark.parametrize(
    "source",
    [3, None, 0.5, object(), [3], ["a.jpg", None], torch.zeros(3, 4, 4), np.zeros((4, 4, 3)), [[b"x"]]]
    + [np.zeros(shape, np.uint8) for shape in ((4,), (4, 4, 1), (4, 4, 4), (3, 4, 4), (2, 4, 4, 3))]
    + [io.StringIO("text")],
    ids=lambda source: type(source).__name__,
)
def test_anything_else_is_a_type_error_that_names_what_is_taken(source: object, predictor: Predictor) -> None:
    with pytest.raises(TypeError, match=r"uint8 array of H x W x 3 \(RGB\) or H x W|Open it with 'rb'"):
        predictor.predict(source)  # type: ignore[call-overload]


def test_several_pictures_and_a_folder(predictor: Predictor, photos: list[Path], tmp_path: Path) -> None:
    alone = list(predictor.predict(photos[:3]))
    for sources in (photos[:3], tuple(photos[:3]), (photo for photo in photos[:3])):
        found = predictor.predict(sources)
        assert (list(found), len(found), found[-1], list(found[1:])) == (alone, 3, alone[2], alone[1:])
    assert len(predictor.predict([])) == 0
    for photo in photos[:3]:
        (tmp_path / photo.name).write_bytes(photo.read_bytes())
    (tmp_path / "bad.jpg").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("x")
    in_folder = predictor.predict(tmp_path)
    assert isinstance(in_folder, Predictions)
    assert [(Path(row.path).name, row.status, row.error) for row in in_folder.rows[-1:]] == [
        ("bad.jpg", "error", "empty file")
    ]
    assert [answer.label for answer in in_folder[:3]] == [answer.label for answer in alone]
    with pytest.raises(PictureError, match=r"bad\.jpg: empty file"):
        in_folder[3]


def test_table_of_several_answers(predictor: Predictor, photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    found = predictor.predict([photos[0], b"", "<b>.jpg"])
    page = found._repr_html_()
    assert page.count("<tr>") == 4
    assert "&lt;b&gt;.jpg" in page
    assert "<b>" not in page
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(GenusError, match="pip install pandas"):
        found.to_dataframe()
    frames = SimpleNamespace(DataFrame=lambda rows, columns: [dict(zip(columns, row, strict=True)) for row in rows])
    monkeypatch.setitem(sys.modules, "pandas", frames)
    first, second, _ = found.to_dataframe()
    assert list(first) == ["path", "status", "label", "probability", "known", "error"]
    assert (first["path"], first["probability"]) == (str(photos[0]), found[0].probability)
    assert (second["path"], second["label"], second["error"]) == (None, None, "empty file")


@pytest.mark.parametrize("name", SMALLEST)
def test_neighbours_in_the_batch_change_nothing(name: str, photos: list[Path]) -> None:
    predictor = Predictor(new_bundle(name), device="cpu", workers=2)
    together = logits(predictor, photos)
    scale = np.abs(together).max()
    for size in (1, 5, 8):
        parts = [logits(predictor, photos[start : start + size]) for start in range(0, len(photos), size)]
        assert np.abs(np.concatenate(parts) - together).max() <= 1e-5 * scale
    assert np.abs(logits(predictor, photos[::-1]) - together[::-1]).max() <= 1e-5 * scale
    assert np.ptp(together, axis=0).max() > 1e-4 * scale  # and the pictures do differ


def test_a_bad_picture_spoils_only_its_own_answer(predictor: Predictor, photos: list[Path], tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    sources = [tmp_path / "missing.jpg", *photos[:5], tmp_path / "empty.jpg", *photos[5:], tmp_path]
    answers = list(predictor.answers(sources))
    assert [answer.index for answer in answers] == list(range(len(sources)))
    bad = [answer for answer in answers if answer.logits is None]
    assert [answer.index for answer in bad] == [0, 6, 14]
    assert str(bad[0].error) == "cannot read: no such file or directory"
    assert str(bad[1].error) == "empty file"
    good = np.stack([answer.logits for answer in answers if answer.logits is not None])
    assert np.abs(good - logits(predictor, photos)).max() <= 1e-5 * np.abs(good).max()
    assert all(answer.error is None for answer in answers if answer.logits is not None)


def test_predict_names_the_file(predictor: Predictor, photos: list[Path], tmp_path: Path) -> None:
    missing = tmp_path / "missing.jpg"
    for source in (missing, str(missing)):
        with pytest.raises(PictureError, match=rf"^{missing}: cannot read: no such file"):
            predictor.predict(source)
    with pytest.raises(PictureError, match=r"^The picture: empty file$"):
        predictor.predict(b"")


def test_answers_come_before_everything_is_read(predictor: Predictor, photos: list[Path]) -> None:
    class Watched(list[Path]):
        reads = 0

        def __getitem__(self, index: int) -> Path:  # type: ignore[override]
            Watched.reads += 1
            return super().__getitem__(index)

    answers = predictor.answers(Watched(photos * 20))
    next(answers)
    assert Watched.reads <= 2 * 2 * 8  # two workers, at most two batches each
    answers.close()  # type: ignore[attr-defined]


def test_many_threads_get_the_answers_of_one(predictor: Predictor, photos: list[Path]) -> None:
    alone = [predictor.predict(path) for path in photos]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(predictor.predict, photos * 2)) == alone * 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=12), st.integers(1, 20))
def test_any_logits_make_a_prediction(values: list[float], top: int) -> None:
    rows = np.array(values, np.float32)
    shares = softmax(rows)
    assert shares.dtype == np.float64
    assert shares.sum() == pytest.approx(1)
    assert (shares >= 0).all()
    exact = [np.exp(np.float64(value) - max(values)) for value in values]
    assert shares == pytest.approx(np.array(exact) / sum(exact))
    labels = tuple(map(str, range(len(values))))
    found = Predictor(Bundle(STUB, Architecture("x"), labels, PREPROCESS), device="cpu").prediction(rows, top=top)  # type: ignore[arg-type]
    assert len(found.top) == min(top, len(values))
    assert [share for _, share in found.top] == sorted(shares, reverse=True)[:top]
    assert found.label == labels[int(np.argmax(shares))]  # of equals the first


STUB = torch.nn.Module()
STUB.head = torch.nn.Linear(1, 1)


def test_top_is_five_at_most_and_never_more_than_there_are_classes() -> None:
    seven = Predictor(new_bundle(classes=tuple("abcdefg")), device="cpu")
    three = Predictor(new_bundle(), device="cpu")
    picture = corpus.scene((40, 40))
    assert len(seven.predict(picture).top) == 5
    assert len(three.predict(picture).top) == 3


def test_softmax_of_a_table_is_by_rows() -> None:
    table = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    assert softmax(table) == pytest.approx(np.stack([softmax(row) for row in table]))


def test_load_and_its_errors(tmp_path: Path, photos: list[Path]) -> None:
    save_bundle(new_bundle(), tmp_path)
    found = load(str(tmp_path), device="cpu").predict(photos[0])
    assert isinstance(found, Prediction)
    assert found == Predictor(new_bundle(), device="cpu").predict(photos[0])
    with pytest.raises(UsageError):
        load(tmp_path, device="gpu")
    with pytest.raises(MachineError):
        load(tmp_path, device="cuda:99")
    with pytest.raises(ModelError):
        load(tmp_path / "missing")


def test_a_model_in_training_mode_is_put_to_use() -> None:
    bundle = new_bundle("vgg11")  # with dropout
    module(bundle.model).train()
    predictor = Predictor(bundle, device="cpu")
    picture = corpus.scene((40, 40))
    assert predictor.predict(picture) == predictor.predict(picture)
