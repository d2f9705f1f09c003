"""Near copies: the same photo once more, re-encoded, resized, brightened, grey, cropped, mirrored, slightly turned,
framed or written on."""

import functools
import heapq
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from PIL import Image

from genus.data.checks.alignment import Likeness, Thumbnails, compare, thumbnail
from genus.data.checks.candidates import Pairs
from genus.data.loader import chunks, in_threads
from genus.errors import PictureError

PAIRS_AT_ONCE = 32
THUMBNAILS_KEPT = 1024  # of 115 KB each


def compared(candidates: Pairs, load: Callable[[int], Image.Image], workers: int) -> Iterator[Likeness]:
    """What the two of each pair of ``candidates`` have in common, seen on top of each other.

    ``load`` gives a whole RGB picture by its number, in one of ``workers`` threads, or raises PictureError: then it has
    nothing in common with any.
    """

    @functools.lru_cache(THUMBNAILS_KEPT)
    def thumbnail_of(number: int) -> Thumbnails | None:
        try:
            return thumbnail(load(number))
        except PictureError:
            return None

    def look(pairs: Sequence[tuple[int, int]]) -> list[Likeness]:
        found = {number: thumbnail_of(number) for pair in pairs for number in pair}
        seen = {number: picture for number, picture in found.items() if picture}
        place = {number: place for place, number in enumerate(seen)}
        readable = [(first, second) for first, second in pairs if first in seen and second in seen]
        if not readable:
            return [Likeness.NONE] * len(pairs)
        placed = [(place[first], place[second]) for first, second in readable]
        likeness = dict(zip(readable, compare(Thumbnails.joined(list(seen.values())), placed), strict=True))
        return [likeness.get(pair, Likeness.NONE) for pair in pairs]

    pairs = [(first, second) for first, second in candidates.tolist()]
    return itertools.chain.from_iterable(in_threads(look, chunks(pairs, PAIRS_AT_ONCE), workers))


def groups_without_chains(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Groups of pictures of one photo, each with the picture that stands for it first: every other is one of its
    ``pairs``. Largest first; no picture is in two, so that a pair may be torn.

    A chain, of which the ends have nothing in common, is no group: who has most partners left stands for them.
    """
    partners: defaultdict[int, set[int]] = defaultdict(set)
    for first, second in pairs:
        partners[first].add(second)
        partners[second].add(first)
    waiting = [(-len(others), number) for number, others in partners.items()]
    heapq.heapify(waiting)
    groups, taken = [], set[int]()
    while waiting:
        most, centre = heapq.heappop(waiting)
        left = partners[centre] - taken
        if centre in taken or not left:
            continue
        if len(left) < -most:  # some were taken since: others may come first now
            heapq.heappush(waiting, (-len(left), centre))
            continue
        groups.append((centre, *sorted(left)))
        taken |= {centre, *left}
    return groups
