"""The binomial distribution: the only part of SciPy that genus would need, which is 100 MB and a tenth of a second."""

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.integer]


def chances(successes: Counts, trials: Counts, share: float) -> NDArray[np.float64]:
    """The chance of exactly so many ``successes`` (N) in so many ``trials`` (N), each with the chance ``share``, which
    lies between 0 and 1 and is neither; 0 for more successes than trials."""
    log_factorial = np.cumsum(np.log(np.maximum(np.arange(int(trials.max(initial=0)) + 1), 1)))
    possible = successes <= trials
    hits = np.where(possible, successes, 0)
    ways = log_factorial[trials] - log_factorial[hits] - log_factorial[trials - hits]
    return np.where(possible, np.exp(ways + hits * np.log(share) + (trials - hits) * np.log1p(-share)), 0.0)


def chances_of_no_more(wrong: NDArray[np.bool_], share: float) -> NDArray[np.float64]:
    """For the first n of ``wrong`` (N), n = 1 .. N: the chance of at most as many errors as there are, if every answer
    is wrong with the chance ``share``.

    One more answer turns P(X ≤ k) into P(X ≤ k) - share · P(X = k), and if it is wrong itself, k grows by one first.
    """
    errors, before = np.cumsum(wrong, dtype=np.int64), np.arange(len(wrong))
    return 1 + np.cumsum((wrong - share) * chances(errors, before, share))
