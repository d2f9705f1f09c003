"""Do two pictures show the same photo: re-encoded, resized, brightened, cropped, mirrored, slightly turned, written on?

Three steps, of which each lets through only what the next has to look at. (1) At 24 pixels, the normalised
cross-correlation of all shifts at once, by Fourier transform (Padfield, "Masked object registration in the Fourier
domain", 2012), for a few sizes, turns and both sides of the mirror. (2) From its best places, Gauss-Newton steps over
size, turn, shift, brightness and contrast (Lucas-Kanade; Baker and Matthews, "Lucas-Kanade 20 years on", 2004), where
places that do not fit count less. (3) With the pictures on top of each other: how well the fine detail of small blocks
correlates. Two photos of one thing may agree in outline; in the detail of nearly all blocks, only copies do, though
some may be written over. Where most blocks agree and others do not, something has moved before one background.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from genus.data.preprocess import resize

VERSION = 1
"""Of what is found; it rises when other pairs are."""

SIDE = 120
"""Pixels of the longer side at which pictures are compared."""

COARSE = 24  # pixels of the longer side in the first step
GRID = 48  # pixels of the squares that are transformed
LONGEST_SHIFT = 18  # coarse pixels
ENOUGH_OVERLAP = 0.5  # of the smaller picture
STRONGEST = 2.0  # detail, in units of the mean of the picture's
CORRELATED = 0.5  # least correlation in the first step, for a place to be looked at
PLACES = 2  # so many of the best are
LEVELS = ((30, 8), (60, 6), (120, 4))  # pixels of the longer side, Gauss-Newton steps
ROUGH = 60  # the level at which most other pairs are recognised as such
ROUGHLY_ALIKE = 0.5  # least agreement of most blocks at ``ROUGH``
ONE_SCENE, ONE_PHOTO = 0.9, 0.955  # and at the end
COVERED, COVERED_AGREEMENT = 0.3, 0.5  # of one photo, all blocks but this share agree at least so much
DETAIL = 0.004  # least standard deviation of a block with detail, of brightness 0..1
FEWEST_BLOCKS = 24  # with detail; with fewer, a picture is too flat to be recognised
WIDEST_MARGIN = 0.15  # of a side: an even border up to this is not compared
EVEN = 2.5 / 255  # largest standard deviation of an even row
WEIGHTS = (0.299, 0.587, 0.114)  # of red, green and blue in brightness (ITU-R BT.601)


class Variant(NamedTuple):
    """How the first picture may have to be changed to become the second: ``mirror`` is -1 or 1, ``scale`` the steps in
    it for a pixel of the second, ``turn`` in radians."""

    mirror: float
    scale: float
    turn: float


SCALES = tuple(1.15**step for step in range(-3, 4))
TURN = math.radians(6)
VARIANTS = [
    *(Variant(mirror, scale, 0.0) for mirror in (1.0, -1.0) for scale in SCALES),
    *(Variant(mirror, 1.0, turn) for mirror in (1.0, -1.0) for turn in (-TURN, TURN)),
]


class Likeness(IntEnum):
    """What two pictures have in common: nothing, the ``SCENE`` (most of the detail) or the ``PHOTO`` (nearly all)."""

    NONE = 0
    SCENE = 1
    PHOTO = 2


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnails:
    """n pictures in the middle of squares: ``grey``, n x 1 x SIDE x SIDE, 0..1, and where they are, ``inside``, of the
    same shape, 0 or 1."""

    grey: Tensor
    inside: Tensor

    def take(self, numbers: Tensor | Sequence[int]) -> "Thumbnails":
        """Those with these numbers."""
        return Thumbnails(self.grey[numbers], self.inside[numbers])

    @staticmethod
    def joined(parts: Sequence["Thumbnails"]) -> "Thumbnails":
        """Those of all ``parts``, one behind the other."""
        return Thumbnails(torch.cat([part.grey for part in parts]), torch.cat([part.inside for part in parts]))

    def shrunk(self, side: int) -> "Thumbnails":
        """The same with squares of ``side`` pixels, of which ``SIDE`` is a multiple."""
        if side == SIDE:
            return self
        inside = F.avg_pool2d(self.inside, SIDE // side)
        grey = F.avg_pool2d(self.grey * self.inside, SIDE // side) / inside.clamp(min=1e-3)
        return Thumbnails(grey, (inside > 0.5).float())


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """n mappings from places of second pictures to those of first ones, in pixels at ``SIDE`` from the middle:
    (x, y) -> (mirror · (a·x - b·y + right), b·x + a·y + down)."""

    mirror: Tensor
    a: Tensor
    b: Tensor
    right: Tensor
    down: Tensor

    def take(self, numbers: Tensor) -> "Similarity":
        """Those with these numbers."""
        return Similarity(
            self.mirror[numbers], self.a[numbers], self.b[numbers], self.right[numbers], self.down[numbers]
        )


def thumbnail(image: Image.Image) -> Thumbnails:
    """A whole RGB picture of any size as it is compared; even margins do not count as inside."""
    width, height = (max(1, round(side * SIDE / max(image.size))) for side in image.size)
    pixels = resize(np.array(image), (height, width), "bicubic") @ np.array(WEIGHTS, np.float32) / 255
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    rows, columns = _without_margins(pixels), _without_margins(pixels.T)
    grey, inside = torch.zeros(1, 1, SIDE, SIDE), torch.zeros(1, 1, SIDE, SIDE)
    grey[0, 0, top : top + height, left : left + width] = torch.from_numpy(pixels)
    inside[0, 0, top + rows.start : top + rows.stop, left + columns.start : left + columns.stop] = 1
    return Thumbnails(grey, inside)


def _without_margins(pixels: np.ndarray) -> slice:
    """The rows of a picture (H x W) between even margins."""
    most = int(WIDEST_MARGIN * len(pixels))
    even = pixels.std(axis=1) <= EVEN
    first, last = (int(np.argmin([*some, False])) for some in (even[:most], even[::-1][:most]))
    return slice(first, len(pixels) - last)


def compare(pictures: Thumbnails, pairs: Sequence[tuple[int, int]]) -> list[Likeness]:
    """What the two of each of ``pairs`` (numbers of ``pictures``) have in common; best with a few dozen pairs."""
    one, other = torch.tensor(pairs).unbind(dim=1)
    firsts, number = one.unique(return_inverse=True)
    variants, spectra = _spectra_of_variants(pictures.take(firsts)), _spectra(pictures.shrunk(COARSE))
    correlation, shifts = _correlate(variants[number], spectra[other])
    best = correlation.topk(PLACES, dim=1)
    found = torch.zeros(len(one), dtype=torch.long)
    for place in range(PLACES):
        undecided = ((found < Likeness.PHOTO) & (best.values[:, place] > CORRELATED)).nonzero()[:, 0]
        if len(undecided):
            variant = best.indices[undecided, place]
            guess = _guess(variant, shifts[undecided, variant])
            likeness = _likeness(pictures.take(one[undecided]), pictures.take(other[undecided]), guess)
            found[undecided] = torch.maximum(found[undecided], likeness)
    return [Likeness(number) for number in found.tolist()]


def _likeness(first: Thumbnails, second: Thumbnails, guess: Similarity) -> Tensor:
    """How far the pictures agree in detail once they lie on top of each other: n values of ``Likeness``."""
    likeness = torch.zeros(len(first.grey), dtype=torch.long)
    left = torch.arange(len(first.grey))
    for side, steps in LEVELS:
        one, other = first.take(left).shrunk(side), second.take(left).shrunk(side)
        guess = _refined(one, other, guess, steps)
        if side == ROUGH:
            promising = _agreement(one, other, guess).nanmedian(dim=1).values > ROUGHLY_ALIKE
            left, guess = left[promising], guess.take(promising)
            if not len(left):
                return likeness
    agreement = _agreement(first.take(left), second.take(left), guess)
    most, all_but_few = agreement.nanquantile(torch.tensor((0.5, COVERED)), dim=1)
    one_photo = (most > ONE_PHOTO) & (all_but_few > COVERED_AGREEMENT)
    likeness[left] = (most > ONE_SCENE).long() + one_photo.long()
    return likeness


def _spectra(pictures: Thumbnails) -> Tensor:
    """n x 3 x GRID x (GRID // 2 + 1): the Fourier transforms of detail, of its square, and of where there is any."""
    return _transformed(_even_detail(pictures), pictures.inside)


def _transformed(detail: Tensor, inside: Tensor) -> Tensor:
    margin = (GRID - detail.shape[-1]) // 2
    return torch.fft.rfft2(F.pad(torch.cat((detail, detail**2, inside), dim=1), [margin] * 4))


def _spectra_of_variants(pictures: Thumbnails) -> Tensor:
    """n x variants x 3 x GRID x (GRID // 2 + 1), conjugated."""
    coarse = pictures.shrunk(COARSE)
    both = torch.cat((_even_detail(coarse), coarse.inside), dim=1)
    spectra = []
    for variant in VARIANTS:
        a, b = variant.scale * math.cos(variant.turn), variant.scale * math.sin(variant.turn)
        x, y = _places(GRID)
        moved = _sample(both, variant.mirror * (a * x - b * y)[None], (b * x + a * y)[None])
        inside = (moved[:, 1:] > 0.5).float()
        spectra.append(_transformed(moved[:, :1] / moved[:, 1:].clamp(min=1e-3) * inside, inside))
    return torch.stack(spectra, dim=1).conj()


def _correlate(variants: Tensor, spectra: Tensor) -> tuple[Tensor, Tensor]:
    """The best correlation of each pair by each variant, n x V, and at which shift (right, down), n x V x 2."""
    detail, square, inside = variants.unbind(dim=2)
    others = spectra[:, None].unbind(dim=2)
    products = (inside * others[2], detail * others[0], square * others[2], inside * others[1])
    overlap, common, ours, theirs = (torch.fft.irfft2(product, s=(GRID, GRID)) for product in products)
    correlation = common / (ours.clamp(min=1e-4) * theirs.clamp(min=1e-4)).sqrt()
    areas = [part[..., 0, 0].real for part in (inside, others[2])]
    enough = ENOUGH_OVERLAP * torch.minimum(*areas)[..., None, None]
    correlation[overlap < enough] = -1
    correlation[:, :, LONGEST_SHIFT + 1 : -LONGEST_SHIFT] = -1
    correlation[:, :, :, LONGEST_SHIFT + 1 : -LONGEST_SHIFT] = -1
    best = correlation.flatten(2).max(dim=2)
    shifts = torch.stack((best.indices % GRID, best.indices // GRID), dim=2)
    return best.values, torch.where(shifts > GRID // 2, shifts - GRID, shifts)


def _guess(variants: Tensor, shifts: Tensor) -> Similarity:
    """``variants``: n numbers in ``VARIANTS``; ``shifts``: n x 2, right and down, in coarse pixels."""
    mirror, scale, turn = torch.tensor(VARIANTS)[variants].unbind(dim=1)
    a, b = scale * turn.cos(), scale * turn.sin()
    right, down = shifts.float().unbind(dim=1)
    zoom = SIDE / COARSE
    return Similarity(mirror, a, b, -zoom * (a * right - b * down), -zoom * (b * right + a * down))


def _refined(first: Thumbnails, second: Thumbnails, guess: Similarity, steps: int) -> Similarity:
    """``guess`` after so many Gauss-Newton steps on what both show."""
    side = first.grey.shape[-1]
    zoom = SIDE / side
    ours, theirs = _detail(first, side / 10), _detail(second, side / 10)
    surely_inside = -F.max_pool2d(-first.inside, 3, stride=1, padding=1)
    across = F.pad(ours[..., 2:] - ours[..., :-2], (1, 1)) / 2
    down = F.pad(ours[..., 2:, :] - ours[..., :-2, :], (0, 0, 1, 1)) / 2
    stack = torch.cat((ours, across, down, surely_inside), dim=1)
    x, y = _places(side)
    for _ in range(steps):
        moved = _moved(stack, guess, zoom)
        both = ((moved[:, 3] > 0.99) & (second.inside[:, 0] > 0.5)).float()
        here, there = _centred(moved[:, 0], both), _centred(theirs[:, 0], both)
        gain = ((here * there).sum((1, 2)) / here.square().sum((1, 2)).clamp(min=1e-6)).clamp(0.2, 5)[:, None, None]
        error = there - gain * here
        usual = (error.square().sum((1, 2)) / both.sum((1, 2)).clamp(min=1)).sqrt()[:, None, None]
        weights = (both / (1 + (error / (2 * usual + 1e-6)) ** 2)).flatten(1)[:, None]
        by_x, by_y = gain * guess.mirror[:, None, None] * moved[:, 1], gain * moved[:, 2]
        slopes = (by_x * x + by_y * y, by_y * x - by_x * y, by_x, by_y, here, both)
        jacobian = torch.stack(slopes, dim=1).flatten(2)
        normal = (jacobian * weights) @ jacobian.mT + 1e-4 * torch.eye(len(slopes))
        step = torch.linalg.solve(normal, (jacobian * weights) @ error.flatten(1)[..., None])[..., 0]
        turn, shift = step[:, :2].clamp(-0.05, 0.05), step[:, 2:4].clamp(-2, 2) * zoom
        guess = Similarity(
            guess.mirror, guess.a + turn[:, 0], guess.b + turn[:, 1],
            guess.right + shift[:, 0], guess.down + shift[:, 1],
        )  # fmt: skip
    return guess


def _agreement(first: Thumbnails, second: Thumbnails, places: Similarity) -> Tensor:
    """The correlation of the detail of each block that has some: n x blocks, up to 1; NaN elsewhere, and everywhere
    where there are too few."""
    side = first.grey.shape[-1]
    block, zoom = 16 * side // SIDE, SIDE / side
    moved = _moved(torch.cat((first.grey, first.inside), dim=1), places, zoom)
    inside = ((moved[:, 1:] > 0.99) & (second.inside > 0.5)).float()

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, block, block // 2)

    def band(grey: Tensor) -> Tensor:
        return (_blurred(grey, inside, 1.2) - _blurred(grey, inside, 4.0)) * inside

    overlap = mean(inside)
    weight = overlap.clamp(min=1e-3)
    ours, theirs = band(moved[:, :1]), band(second.grey)
    our_mean, their_mean = mean(ours) / weight, mean(theirs) / weight
    our_variance = mean(ours**2) / weight - our_mean**2
    their_variance = mean(theirs**2) / weight - their_mean**2
    together = mean(ours * theirs) / weight - our_mean * their_mean
    detailed = (overlap > 0.75) & (our_variance * their_variance > DETAIL**4)
    correlation = together / (our_variance * their_variance).clamp(min=1e-12).sqrt()
    enough = detailed.sum((1, 2, 3), keepdim=True) >= FEWEST_BLOCKS
    return torch.where(detailed & enough, correlation, math.nan).flatten(1)


def _even_detail(pictures: Thumbnails) -> Tensor:
    """The detail of coarse pictures, where nothing is so strong (white letters) that all else counts for little."""
    detail = _detail(pictures, COARSE / 10)
    usual = (detail.abs().sum((1, 2, 3)) / pictures.inside.sum((1, 2, 3)).clamp(min=1))[:, None, None, None]
    return detail.clamp(-STRONGEST * usual, STRONGEST * usual)


def _detail(pictures: Thumbnails, radius: float) -> Tensor:
    return (pictures.grey - _blurred(pictures.grey, pictures.inside, radius)) * pictures.inside


def _blurred(grey: Tensor, inside: Tensor, radius: float) -> Tensor:
    """``grey`` under a Gaussian of this standard deviation that does not look outside."""
    return _gaussian(grey * inside, radius) / _gaussian(inside, radius).clamp(min=1e-3)


def _gaussian(values: Tensor, radius: float) -> Tensor:
    reach = int(3 * radius + 0.5)
    kernel = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * radius**2))
    kernel = kernel / kernel.sum()
    across = F.conv2d(values, kernel.view(1, 1, 1, -1), padding=(0, reach))
    return F.conv2d(across, kernel.view(1, 1, -1, 1), padding=(reach, 0))


def _centred(values: Tensor, inside: Tensor) -> Tensor:
    mean = (values * inside).sum((1, 2)) / inside.sum((1, 2)).clamp(min=1)
    return (values - mean[:, None, None]) * inside


def _moved(values: Tensor, places: Similarity, zoom: float) -> Tensor:
    """``values`` (n x C x S x S) of first pictures where the pixels of second ones come from."""
    x, y = _places(values.shape[-1])
    a, b, right, down = (part[:, None, None] for part in (places.a, places.b, places.right, places.down))
    return _sample(values, places.mirror[:, None, None] * (a * x - b * y + right / zoom), b * x + a * y + down / zoom)


def _places(side: int) -> tuple[Tensor, Tensor]:
    """x and y of the pixels of a square, from its middle."""
    steps = torch.arange(side) - (side - 1) / 2
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return x, y


def _sample(values: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """``values`` (n x C x S x S) at places in pixels from the middle, between pixels linearly; outside they are 0."""
    places = torch.stack((x, y), dim=-1).expand(len(values), -1, -1, -1) * (2 / values.shape[-1])
    return F.grid_sample(values, places, mode="bilinear", padding_mode="zeros", align_corners=False)
