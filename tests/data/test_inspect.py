"""The pass over all files: nothing lost, nothing touched, every bad file listed with its reason."""

import csv
import hashlib
import io
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genus.data import inspect as inspect_module
from genus.data.catalog import BadFile, Catalog, Picture, bad_files_csv
from genus.data.decode import decode, opened_for
from genus.data.facts import FACTS, Facts
from genus.data.folder import scan
from genus.data.inspect import FactsOnly, Inspected, Inspection, inspect, require_usable
from genus.errors import DataError
from genus.types import Event, Preprocess, Progress, ignore_events
from tests import corpus

SMALL = Preprocess(size=16)


class Forgetful:
    """A memory that knows nothing."""

    def contents(self, paths: Sequence[Path]) -> list[bytes | None]:
        return [None] * len(paths)

    def stamp(self, path: Path) -> bytes | None:
        return None

    def remember(self, stamps: Sequence[bytes], pictures: Sequence[bytes]) -> None:
        raise AssertionError("nothing has a stamp")

    def facts(self, pictures: Sequence[bytes | None]) -> list[Facts | None]:
        return [None] * len(pictures)

    def keep_facts(self, pictures: Sequence[bytes], facts: Facts) -> None:
        pass


def contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("workers", [1, 3])
def test_every_file_of_the_corpus_is_either_good_or_listed(tmp_path: Path, workers: int) -> None:
    pictures = [Picture(corpus.write(case, tmp_path), "any") for case in corpus.CASES]
    pictures.append(Picture(tmp_path / "gone.jpg", "any"))
    before = contents(tmp_path)
    events: list[Event] = []
    missing = BadFile(tmp_path / "listed.jpg", "any", "line 3: there is no file")
    catalog = Catalog(tmp_path, ("any",), tuple(pictures), bad=(missing,))
    inspection = inspect(catalog, SMALL, workers, events.append, Forgetful(), FactsOnly())
    assert [good.picture.path.name for good in inspection.good] == [case.name for case in corpus.SOUND]
    assert inspection.bad[0] == missing
    assert [bad.path.name for bad in inspection.bad[1:]] == [case.name for case in corpus.BAD] + ["gone.jpg"]
    for good, case in zip(inspection.good, corpus.SOUND, strict=True):
        assert good.sha256 == hashlib.sha256(case.data).hexdigest()
    for bad, case in zip(inspection.bad[1:], corpus.BAD, strict=False):
        assert re.match(case.reason or "", bad.reason)
    assert inspection.bad[-1].reason == "cannot read: no such file or directory"
    assert events[-1] == Progress("Reading pictures", len(pictures), len(pictures))
    assert contents(tmp_path) == before


class Collector(FactsOnly):
    """A consumer that wants all but a few pictures, and keeps what it gets."""

    batch_size = 3

    def __init__(self, unwanted: set[bytes]) -> None:
        self.unwanted = unwanted
        self.taken: dict[bytes, np.ndarray] = {}

    def wants(self, pictures: Sequence[bytes]) -> list[bool]:
        return [picture not in self.unwanted for picture in pictures]

    def take(self, pictures: Sequence[bytes], pixels: np.ndarray) -> None:
        assert len(pictures) <= self.batch_size
        self.taken.update(zip(pictures, pixels, strict=True))


@pytest.mark.parametrize("workers", [1, 3])
def test_a_consumer_gets_the_pixels_of_the_one_pass(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[bytes] = []

    def counting(data: bytes, preprocess: Preprocess) -> AbstractContextManager[Image.Image]:
        decoded.append(data)
        return opened_for(data, preprocess)

    monkeypatch.setattr(inspect_module, "opened_for", counting)
    root = corpus.write_folder(tmp_path / "photos", {"cat": 11, "dog": 9})
    (root / "cat" / "bad.jpg").write_bytes(b"")
    catalog = scan(root)
    pictures = catalog.pictures
    digests = {hashlib.sha256(picture.path.read_bytes()).digest(): picture for picture in pictures}
    unwanted = set(list(digests)[3:7])
    consumer, memory = Collector(unwanted), Remembering({})
    inspection = inspect(catalog, SMALL, workers, ignore_events, memory, consumer)
    assert [good.picture for good in inspection.good] == [p for p in pictures if p.path.name != "bad.jpg"]
    assert len(inspection.bad) == 1
    empty = hashlib.sha256(b"").digest()
    assert consumer.taken.keys() == digests.keys() - unwanted - {empty}
    for digest, pixels in consumer.taken.items():
        assert np.array_equal(pixels, decode(digests[digest].path, SMALL))
    assert len(decoded) == len(memory.known_facts) == 20  # facts and pixels from one decoding
    again = inspect(catalog, SMALL, workers, ignore_events, memory, Collector(set(digests) - unwanted))
    assert len(decoded) == 20 + len(unwanted)  # what is known and not wanted is not decoded
    assert again.facts.tobytes() == inspection.facts.tobytes()


class Remembering(Forgetful):
    """Knows some files by their paths, and remembers those with an even number by theirs."""

    def __init__(self, known: dict[Path, bytes]) -> None:
        self.known = known
        self.known_facts: dict[bytes, Facts] = {}
        self.remembered: dict[bytes, bytes] = {}

    def contents(self, paths: Sequence[Path]) -> list[bytes | None]:
        return [self.known.get(path) for path in paths]

    def stamp(self, path: Path) -> bytes | None:
        return bytes(path) if path.stem.isdigit() and int(path.stem) % 2 == 0 else None

    def remember(self, stamps: Sequence[bytes], pictures: Sequence[bytes]) -> None:
        self.remembered |= dict(zip(stamps, pictures, strict=True))

    def facts(self, pictures: Sequence[bytes | None]) -> list[Facts | None]:
        return [self.known_facts.get(picture or b"") for picture in pictures]

    def keep_facts(self, pictures: Sequence[bytes], facts: Facts) -> None:
        self.known_facts |= dict(zip(pictures, facts, strict=True))


def test_a_file_of_which_all_is_known_is_not_opened(tmp_path: Path) -> None:
    catalog = scan(corpus.write_folder(tmp_path / "photos", {"cat": 5, "dog": 5}))
    contents_of = {found.path: hashlib.sha256(found.path.read_bytes()).digest() for found in catalog.pictures}
    before = inspect(catalog, SMALL, 2, ignore_events, Forgetful(), FactsOnly())
    known = {picture.path: contents_of[picture.path] for picture in catalog.pictures[::3]}
    memory = Remembering(known)
    memory.keep_facts([contents_of[item.picture.path] for item in before.good[::3]], before.facts[::3])
    for path in known:
        path.write_bytes(b"not to be opened")
    events: list[Event] = []
    consumer = Collector(set(known.values()))
    inspection = inspect(catalog, SMALL, 2, events.append, memory, consumer)
    assert inspection.good == before.good
    assert inspection.facts.tobytes() == before.facts.tobytes()
    read = {path: content for path, content in contents_of.items() if path not in known}
    assert consumer.taken.keys() == set(read.values())
    assert memory.remembered == {bytes(path): read[path] for path in read if int(path.stem) % 2 == 0}
    assert events[-1] == Progress("Reading pictures", 10, 10)


def test_events_are_few(tmp_path: Path) -> None:
    root = corpus.write_folder(tmp_path / "photos", {"cat": 150, "dog": 150})
    events: list[Event] = []
    inspect(scan(root), SMALL, 2, events.append, Forgetful(), FactsOnly())
    assert 1 <= len(events) < 60


def test_an_error_of_ours_is_not_taken_for_a_bad_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(inspect_module, "opened_for", broken)
    root = corpus.write_folder(tmp_path / "photos", {"cat": 3, "dog": 3})
    with pytest.raises(RuntimeError, match="a bug"):
        inspect(scan(root), SMALL, 2, ignore_events, Forgetful(), FactsOnly())


def outcome(good: int, bad: int, lost: int = 0) -> Inspection:
    """So many good and bad pictures of "cat", one good "dog", and ``lost`` bad ones of "fox"."""
    sound = [Inspected(Picture(Path(f"cat/{n}.jpg"), "cat"), "0" * 64) for n in range(good)]
    sound.append(Inspected(Picture(Path("dog/1.jpg"), "dog"), "0" * 64))
    unsound = [BadFile(Path(f"cat/bad{n}.jpg"), "cat", "empty file") for n in range(bad)]
    unsound += [BadFile(Path("fox/1.jpg"), "fox", "empty file") for _ in range(lost)]
    return Inspection(tuple(sound), tuple(unsound), np.zeros(len(sound), FACTS))


def test_five_in_a_hundred_may_be_bad() -> None:
    require_usable(outcome(good=94, bad=5), ["cat", "dog"])
    require_usable(outcome(good=132, bad=7), ["cat", "dog"])
    require_usable(outcome(good=1, bad=0), ["cat", "dog"])
    with pytest.raises(DataError) as caught:
        require_usable(outcome(good=362, bad=37), ["cat", "dog"])
    assert str(caught.value) == (
        "37 of 400 pictures (9.2 %) cannot be read, more than 5 %: cat/bad0.jpg (empty file); cat/bad1.jpg "
        "(empty file); cat/bad2.jpg (empty file). See bad_files.csv; repair or remove them."
    )
    with pytest.raises(DataError, match=r"^6 of 101 pictures"):
        require_usable(outcome(good=94, bad=6), ["cat", "dog"])


def test_no_class_may_lose_all() -> None:
    with pytest.raises(DataError, match=r"No picture of 'fox' can be read: fox/1\.jpg \(empty file\)"):
        require_usable(outcome(good=98, bad=0, lost=1), ["cat", "dog", "fox"])


def test_bad_files_csv_is_safe_and_complete() -> None:
    names = [*corpus.ODD_NAMES, "@x", "+1", "plain,comma.jpg"]
    text = bad_files_csv([BadFile(Path(name), label, 'say "why", twice') for name in names for label in ("=1", "a")])
    rows = list(csv.reader(io.StringIO(text.encode("utf-8").decode("utf-8"), newline="")))
    assert rows[0] == ["path", "label", "reason"]
    assert len(rows) == 1 + 2 * len(names)
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row)
    for row, name in zip(rows[1::2], names, strict=True):
        assert row[0].removeprefix("'") == name.replace("\udce9", "\\udce9")
        assert row[1:] == ["'=1", 'say "why", twice']
