"""The same photo is recognised whatever became of it, and nothing else is."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from genus.data.checks.alignment import SIDE, Likeness, Thumbnails, compare, thumbnail
from genus.demo import SPECIES, draw
from tests.alterations import ALTERATIONS, altered


def same(pairs: list[tuple[Image.Image, Image.Image]]) -> list[bool]:
    pictures = Thumbnails.joined([thumbnail(image) for pair in pairs for image in pair])
    found = compare(pictures, [(2 * number, 2 * number + 1) for number in range(len(pairs))])
    return [likeness == Likeness.PHOTO for likeness in found]


@pytest.fixture(scope="module")
def photos(flowers: Path) -> list[Image.Image]:
    """Every 50th of the test part: of all species, sharp and blurred, one flower and fields of them."""
    return [Image.open(path).convert("RGB") for path in sorted((flowers / "test").rglob("*.jpg"))[::50]]


@pytest.mark.parametrize("how", ALTERATIONS)
def test_real_photos_are_recognised(how: str, photos: list[Image.Image]) -> None:
    rng = np.random.default_rng(0)
    found = same([(photo, altered(photo, how, rng)) for photo in photos])
    assert sum(found) >= len(found) - (how in ("crop 70 %", "text"))
    found = same([(altered(photo, how, rng), photo) for photo in photos])
    assert sum(found) >= len(found) - (how in ("crop 70 %", "text", "border"))


@pytest.mark.parametrize("how", ALTERATIONS)
def test_drawings_are_recognised(how: str) -> None:
    rng = np.random.default_rng(1)
    drawings = [draw(species, 7, size=160) for species in SPECIES]
    found = same([(drawing, altered(drawing, how, rng)) for drawing in drawings])
    assert sum(found) >= len(found) - (how in ("quality 30", "text"))  # petals are flat: what is added is their detail


def test_other_photos_of_the_same_species_are_not(flowers: Path) -> None:
    pairs = []
    for folder in sorted((flowers / "test").iterdir()):
        some = [Image.open(path).convert("RGB") for path in sorted(folder.iterdir())[:12]]
        pairs += [(one, other) for number, one in enumerate(some) for other in some[:number]]
    assert len(pairs) == 330
    found = [same(pairs[start : start + 33]) for start in range(0, len(pairs), 33)]
    assert not any(map(any, found))


def test_known_pairs_of_the_flowers(flowers: Path) -> None:
    """Photos of the test part that are in the training part, too, once more."""
    known = {
        "daisy/10466290366_cc72e33532": "daisy/10994032453_ac7f8d9e2e",
        "rose/2093263381_afd51358a3": "rose/1775233884_12ff5a124f",
        "tulip/7166552648_28b6dce578": "tulip/7166552648_28b6dce578_n",
        "tulip/7166644048_b00a14f01b_n": "tulip/7166644048_b00a14f01b",
    }
    photos = [[Image.open(flowers / part / f"{name}.jpg").convert("RGB") for name in names]
              for part, names in (("test", known), ("train", known.values()))]  # fmt: skip
    assert same(list(zip(*photos, strict=True))) == [True] * len(known)


def test_look_alikes_of_the_flowers(flowers: Path) -> None:
    """Of all pairs that show different flowers, those that come nearest to being taken for one photo."""
    alike = [
        ("test/dandelion/506659320_6fac46551e", "train/dandelion/8756906129_b05a1b26f2"),
        ("test/dandelion/2608937632_cfd93bc7cd", "train/dandelion/4632863567_5f9af7de97_n"),
        ("train/dandelion/5733004219_a0ba411bfa_n", "train/dandelion/7808545612_546cfca610_m"),
        ("train/dandelion/16650892835_9228a3ef67_m", "train/dandelion/6044710875_0459796d1b_m"),
        ("train/dandelion/3499837275_5f24d2f8bf_n", "train/dandelion/4632863567_5f9af7de97_n"),
        ("test/dandelion/33892172244_684e99b6fc_n", "train/dandelion/14164392167_650946a169_n"),
        ("train/dandelion/2479491210_98e41c4e7d_m", "train/dandelion/3530495617_fd84fb321a_m"),
    ]
    photos = [[Image.open(flowers / f"{name}.jpg").convert("RGB") for name in pair] for pair in alike]
    assert not any(same([(one, other) for one, other in photos]))


def test_another_thing_before_one_background_is_one_scene() -> None:
    """Of a small thing, most of the detail is that of the ground; of a large one, not."""
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (60, 60, 3), dtype=np.uint8))
    ground = noise.resize((240, 240), Image.Resampling.BICUBIC)
    for side, expected in ((150, Likeness.SCENE), (220, Likeness.NONE), (40, Likeness.PHOTO)):
        one, other = (ground.copy(), ground.copy())
        for picture, thing in ((one, "rose"), (other, "tulip")):
            picture.paste(draw(thing, 3, size=side), (120 - side // 2, 120 - side // 2))
        assert compare(Thumbnails.joined([thumbnail(one), thumbnail(other)]), [(0, 1)]) == [expected]


def test_pictures_without_detail_are_never_recognised() -> None:
    """Equal bytes or pixels are another matter: what is too flat here is not the same for that."""
    rng = np.random.default_rng(0)
    flat = Image.new("RGB", (200, 150), "grey")
    slope = Image.fromarray(np.tile(np.linspace(0, 255, 200, dtype=np.uint8), (150, 1))).convert("RGB")
    noise = Image.fromarray(rng.integers(0, 256, (150, 200, 3), dtype=np.uint8)).filter(ImageFilter.GaussianBlur(30))
    tiny = Image.new("RGB", (1, 1))
    assert not any(same([(one, one) for one in (flat, slope, noise, tiny)]))


def test_a_picture_lies_in_the_middle_and_its_even_margin_outside() -> None:
    rng = np.random.default_rng(0)
    image = Image.new("RGB", (300, 150), "white")
    image.paste(Image.fromarray(rng.integers(0, 256, (120, 250, 3), dtype=np.uint8)), (15, 20))
    inside = thumbnail(image).inside[0, 0]
    rows, columns = inside.any(1).nonzero()[:, 0], inside.any(0).nonzero()[:, 0]
    assert inside.sum() == len(rows) * len(columns)
    edges = [int(edge) for edge in (rows[0], rows[-1], columns[0], columns[-1])]
    assert edges == [pytest.approx(edge, abs=1) for edge in (30 + 8, 30 + 55, 6, 105)]
    assert torch.equal(thumbnail(image).shrunk(SIDE).grey, thumbnail(image).grey)
