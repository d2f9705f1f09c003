"""The drawn flowers: the same everywhere, every time, and written where they should be."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genus.demo import SPECIES, draw, draw_dataset
from genus.errors import MachineError, UsageError
from genus.types import Event, Progress


def fingerprint(picture: Image.Image) -> str:
    return hashlib.sha256(picture.tobytes()).hexdigest()


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_species_are_sorted_as_a_scanned_folder_is() -> None:
    assert len(SPECIES) == 5
    assert list(SPECIES) == sorted(SPECIES)


@pytest.mark.parametrize("species", SPECIES)
@pytest.mark.parametrize("size", [31, 240])
def test_a_picture_is_rgb_of_the_asked_size_and_not_empty(species: str, size: int) -> None:
    picture = draw(species, seed=1, size=size)
    assert (picture.mode, picture.size) == ("RGB", (size, size))
    pixels = np.asarray(picture)
    assert pixels.dtype == np.uint8
    assert pixels.std() > 10


def test_no_two_pictures_are_alike() -> None:
    prints = {fingerprint(draw(species, seed)) for species in SPECIES for seed in range(6)}
    assert len(prints) == 6 * len(SPECIES)


def test_a_fresh_process_draws_the_same_pixels() -> None:
    program = (
        "import hashlib; from genus.demo import SPECIES, draw;"
        "print(*[hashlib.sha256(draw(s, 7).tobytes()).hexdigest() for s in SPECIES])"
    )
    environment = os.environ | {"PYTHONHASHSEED": "1234"}
    answer = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert answer.stdout.decode().split() == [fingerprint(draw(species, 7)) for species in SPECIES]


def test_the_global_random_state_is_neither_used_nor_touched() -> None:
    np.random.seed(0)
    before = np.random.get_state()[1].tolist()
    first = fingerprint(draw("rose", 3))
    assert np.random.get_state()[1].tolist() == before
    np.random.seed(1)
    assert fingerprint(draw("rose", 3)) == first


def test_an_unknown_species_is_named_with_its_nearest() -> None:
    with pytest.raises(UsageError, match=r"'dasiy'.*Did you mean 'daisy'\?"):
        draw("dasiy", 0)


def test_a_data_set_is_one_folder_a_species(tmp_path: Path) -> None:
    events: list[Event] = []
    draw_dataset(tmp_path / "flowers", per_class=2, on_event=events.append)
    files = tree(tmp_path / "flowers")
    assert sorted(files) == [f"{species}/{species}_{number:03d}.jpg" for species in SPECIES for number in range(2)]
    with Image.open(tmp_path / "flowers" / "rose" / "rose_001.jpg") as picture:
        assert (picture.format, picture.size) == ("JPEG", (240, 240))
    assert events == [Progress("draw", done, 10) for done in range(1, 11)]


def test_a_larger_data_set_keeps_the_pictures_of_a_smaller_one(tmp_path: Path) -> None:
    draw_dataset(tmp_path / "small", per_class=1, seed=5)
    draw_dataset(tmp_path / "large", per_class=2, seed=5)
    draw_dataset(tmp_path / "other", per_class=1, seed=6)
    small, large, other = (tree(tmp_path / name) for name in ("small", "large", "other"))
    assert small.items() < large.items()
    assert not set(small.values()) & set(other.values())


def test_a_file_where_the_folder_should_be_is_a_machine_error(tmp_path: Path) -> None:
    (tmp_path / "flowers").write_text("not a folder")
    with pytest.raises(MachineError, match=r"Cannot write .*flowers"):
        draw_dataset(tmp_path / "flowers", per_class=1)
