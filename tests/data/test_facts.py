"""The plain numbers of a picture mean what their names say."""

import io
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter, ImageOps

from genus.data.decode import opened_rgb
from genus.data.facts import FACTS, Facts, facts_of
from genus.demo import draw


def saved(image: Image.Image, **how: object) -> bytes:
    out = io.BytesIO()
    image.save(out, **{"format": "PNG", **how})  # type: ignore[arg-type]
    return out.getvalue()


def looked_at(data: bytes) -> Facts:
    with opened_rgb(data, 64) as image:
        return facts_of(data, image)


def test_what_the_file_says() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0110] = 6, "Ka", "mera"
    exif.get_ifd(0x8769)[0x9003] = "2024:02:29 23:59:58"
    data = saved(draw("rose", 0, 200).resize((200, 120)), format="JPEG", quality=60, exif=exif)
    facts = looked_at(data)
    told = {name: facts[name].item() for name in ("bytes", "format", "width", "height", "quality", "orientation")}
    assert told == {"bytes": len(data), "format": b"JPEG", "width": 120, "height": 200, "quality": 60, "orientation": 6}
    assert facts["camera"].item() == b"Ka mera"
    assert facts["taken"].item() == datetime(2024, 2, 29, 23, 59, 58)
    assert np.isnat(looked_at(saved(draw("rose", 0, 200)))["taken"])


def test_colours_are_those_of_the_whole_picture() -> None:
    halves = Image.new("RGB", (400, 200), (255, 0, 0))
    halves.paste((0, 0, 255), (200, 0, 400, 200))
    facts = looked_at(saved(halves))
    assert facts["mean"].tolist() == pytest.approx([0.5, 0, 0.5], abs=0.01)
    assert facts["deviation"].tolist() == pytest.approx([0.5, 0, 0.5], abs=0.01)
    assert facts["brightness"] == pytest.approx((0.299 + 0.114) / 2, abs=0.01)
    assert facts["contrast"] == pytest.approx((0.299 - 0.114) / 2, abs=0.01)
    assert facts["saturation"] == pytest.approx(1, abs=0.01)
    assert facts["thumbnail"][0, 0].tolist() == [255, 0, 0]
    assert facts["thumbnail"][7, 7].tolist() == [0, 0, 255]


def test_a_picture_out_of_focus_is_less_sharp() -> None:
    photo = draw("tulip", 3, 256)
    sharp, soft, soft_ground = (
        looked_at(saved(image))["sharpness"]
        for image in (
            photo,
            photo.filter(ImageFilter.GaussianBlur(2)),
            Image.composite(photo, photo.filter(ImageFilter.GaussianBlur(4)), Image.linear_gradient("L")),
        )
    )
    assert soft < sharp / 2 < soft_ground


@given(st.tuples(*[st.integers(0, 40)] * 4), st.sampled_from(["white", "black", (90, 10, 40)]))
def test_even_margins_are_measured(widths: tuple[int, ...], colour: str) -> None:
    top, bottom, left, right = widths
    rng = np.random.default_rng(0)
    image = Image.new("RGB", (100 + left + right, 100 + top + bottom), colour)
    image.paste(Image.fromarray(rng.integers(0, 256, (100, 100, 3), dtype=np.uint8)), (left, top))
    data = saved(image)
    with opened_rgb(data) as seen:
        margins = facts_of(data, seen)["margins"]
    width, height = image.size
    expected = [min(side, 0.3) for side in (top / height, bottom / height, left / width, right / width)]
    assert margins.tolist() == pytest.approx(expected, abs=0.01)


def test_equal_pixels_have_one_hash_whatever_the_file() -> None:
    photo = draw("daisy", 1, 300)
    one, other, grey, turned = (
        looked_at(saved(image, **how))
        for image, how in (
            (photo, {}),
            (photo, {"format": "BMP"}),
            (photo.convert("L"), {}),
            (ImageOps.flip(photo), {}),
        )
    )
    assert one["pixels"] == other["pixels"] != grey["pixels"] != turned["pixels"]
    assert one["difference_hash"] == grey["difference_hash"] != turned["difference_hash"]
    changed = photo.copy()
    changed.putpixel((150, 150), (1, 2, 3))
    assert looked_at(saved(changed))["pixels"] != one["pixels"]


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (2, 2), (3, 5000)])
@pytest.mark.parametrize("colour", ["black", "white"])
def test_odd_sizes_give_finite_numbers(size: tuple[int, int], colour: str) -> None:
    facts = looked_at(saved(Image.new("RGB", size, colour)))
    numbers = [facts[name] for name in FACTS.names or () if facts[name].dtype.kind == "f"]
    assert all(np.isfinite(number).all() for number in numbers)
    assert facts["contrast"] == facts["sharpness"] == 0
