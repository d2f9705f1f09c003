"""Which pairs of pictures are worth a closer look: cheap, and with few copies missed.

Two sources, which miss different things. The difference hash (see ``facts``) finds what was re-encoded, resized,
brightened, made grey or mirrored. Nearest neighbours by the features of a pretrained network find what was cropped,
turned, framed or written on. Neither decides anything.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Pairs = NDArray[np.int64]
"""m x 2 numbers of pictures, the lower one first, ascending, no pair twice."""

HASH_RADIUS = 7
"""Bits of 64 that the hashes of two candidates may differ in."""

NEAREST = 3
"""Neighbours of a picture by its features that are candidates."""

LEAST_COSINE, SURELY_NEAR = 0.4, 0.7  # of whitened features
COMPARED_WITH, STANDS_OUT = 10, 0.15  # a copy is so much nearer than the tenth neighbour, which is just alike
COMPONENTS = 256  # of the features, that are compared
NOISE = 1e-3  # of the largest standard deviation: components below are roundings
EVEN_SHARE = 0.1  # of the largest standard deviation, is added to that of each component
BANDS, BAND_BITS = 4, 16  # of 64: two hashes within the radius differ in at most one bit of some band
FLIPS = np.array([0, *(1 << bit for bit in range(BAND_BITS))], np.uint16)
PAIRS_AT_ONCE = 2**22
ROWS_AT_ONCE = 1024


def mirrored(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The hashes of the same pictures in a mirror."""
    bits = np.unpackbits(hashes.astype(">u8").view(np.uint8).reshape(-1, 8, 1), axis=2)
    return np.packbits(1 - bits[:, :, ::-1], axis=2).reshape(-1, 8).view(">u8").astype(np.uint64)[:, 0]


def pairs_by_hash(hashes: NDArray[np.uint64]) -> Pairs:
    """Pictures whose hashes, or one of which in a mirror, differ in at most ``HASH_RADIUS`` bits.

    Of pictures with the same hash, each is paired with the first only: flat pictures have the same by the thousand, and
    of copies, one stands for all. Time and memory grow with the number of pictures, as long as hashes are spread.
    """
    kinds, first, kind_of = np.unique(hashes, return_index=True, return_inverse=True)
    same = np.stack((first[kind_of], np.arange(len(hashes))), axis=1)
    near = [first[pairs] for queries in (kinds, mirrored(kinds)) for pairs in _within_radius(queries, kinds)]
    return _tidy(np.concatenate([same, *near]))


def _within_radius(queries: NDArray[np.uint64], hashes: NDArray[np.uint64]) -> Iterator[Pairs]:
    """Numbers of ``queries`` and ``hashes`` that differ in few bits: by the pigeonhole principle, one band of both does
    in one bit at most."""
    for band in range(BANDS):
        shift = np.uint64(band * BAND_BITS)
        keys, wanted = ((values >> shift).astype(np.uint16) for values in (hashes, queries))
        order = np.argsort(keys, kind="stable")
        for flip in FLIPS:
            left, right = (np.searchsorted(keys[order], wanted ^ flip, side) for side in ("left", "right"))
            for start, stop in _blocks(right - left):
                lengths = (right - left)[start:stop]
                query = np.repeat(np.arange(start, stop), lengths)
                offsets = np.arange(len(query)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
                hit = order[np.repeat(left[start:stop], lengths) + offsets]
                close = np.bitwise_count(queries[query] ^ hashes[hit]) <= HASH_RADIUS
                yield np.stack((query[close], hit[close]), axis=1)


def _blocks(lengths: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of queries with about ``PAIRS_AT_ONCE`` pairs together."""
    ends = np.cumsum(lengths)
    start = 0
    while start < len(lengths):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + PAIRS_AT_ONCE, "right")))
        yield start, stop
        start = stop


def pairs_by_features(features: NDArray[np.float32]) -> Pairs:
    """Each picture with those of its ``NEAREST`` neighbours by ``features`` (n x D) that are near, or much nearer than
    others are.

    The features are whitened first: what all pictures of the set have in common does not count. Compares all with all,
    block by block.
    """
    if len(features) < 2:
        return np.empty((0, 2), np.int64)
    rows, found = _whitened(features), []
    ranked = min(COMPARED_WITH, len(rows) - 1)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        cosines = rows[start : start + ROWS_AT_ONCE] @ rows.T
        numbers = start + np.arange(len(cosines))[:, None]
        np.put_along_axis(cosines, numbers, -1, axis=1)
        best = np.argpartition(cosines, -ranked, axis=1)[:, -ranked:]
        nearest_first = np.argsort(-np.take_along_axis(cosines, best, axis=1), axis=1)
        neighbours = np.take_along_axis(best, nearest_first, axis=1)
        near = np.take_along_axis(cosines, neighbours, axis=1)
        usual = near[:, COMPARED_WITH - 1 :].max(axis=1, initial=0, keepdims=True)
        close = (near >= LEAST_COSINE) & ((near >= usual + STANDS_OUT) | (near >= SURELY_NEAR))
        close[:, NEAREST:] = False
        found.append(np.stack((np.broadcast_to(numbers, close.shape)[close], neighbours[close]), axis=1))
    return _tidy(np.concatenate(found))


def _whitened(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length one (or zero), in the main components, all of which count about equally."""
    centred = features - features.mean(axis=0)
    axes, deviations = _main_components(centred)
    scales = deviations + EVEN_SHARE * deviations.max(initial=0)
    rows = centred @ (axes / scales).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(min=np.finfo(np.float32).tiny)


def _main_components(centred: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The axes (D x C) along which n x D numbers vary most, and how much (C)."""
    by_pictures = len(centred) < centred.shape[1]  # then their products are the smaller matrix, with the same variances
    products = centred @ centred.T if by_pictures else centred.T @ centred
    variances, vectors = np.linalg.eigh(products.astype(np.float64) / len(centred))
    deviations = np.sqrt(variances[::-1][:COMPONENTS].clip(min=0))
    more_than_noise = deviations > NOISE * deviations[0]
    axes, deviations = vectors[:, ::-1][:, :COMPONENTS][:, more_than_noise], deviations[more_than_noise]
    if by_pictures:
        axes = centred.T @ axes / (math.sqrt(len(centred)) * deviations)
    return axes, deviations


def _tidy(pairs: Pairs) -> Pairs:
    pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
    return np.unique(pairs, axis=0)
