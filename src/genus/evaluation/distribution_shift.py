"""Do the test pictures come from elsewhere? Then nothing that validation promised holds for them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genus.evaluation.intervals import FEW_GROUPS, Groups, incomplete_beta
from genus.evaluation.selective import max_distance

MIN_AUC = 0.6
MAX_P_VALUE = 0.01

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DistributionShift:
    """Test pictures against validation pictures, by the distance of each to its nearest training picture.

    ``auc``: the chance that a test picture is farther away than a validation picture (0.5: no difference, 1: all are).
    ``beyond``: the share of test pictures farther away than ``max_distance`` of validation. ``p_value``: the chance of
    an ``auc`` as large or larger if both come from the same source (None: fewer than five groups on a side).
    """

    auc: float
    beyond: float
    p_value: float | None

    @property
    def from_elsewhere(self) -> bool | None:
        """Is the difference both larger than chance and large enough to matter? None: too few groups to say."""
        if self.p_value is None:
            return None
        return self.auc >= MIN_AUC and self.p_value <= MAX_P_VALUE


def distribution_shift(
    validation: NDArray[np.floating],
    test: NDArray[np.floating],
    validation_groups: Groups | None = None,
    test_groups: Groups | None = None,
) -> DistributionShift:
    """Compare ``validation`` (N) and ``test`` (M) distances; both have at least one. ``..._groups``: which pictures
    belong together.

    The area under the ROC curve (the Mann-Whitney statistic) with the variance of DeLong et al. (1988), for groups
    that of Obuchowski (1997, Biometrics 53), and Student's t for the smaller number of groups. It sees a source that
    is farther away as a whole, and not a few strange pictures among many ordinary ones: ``beyond`` counts these.
    """
    nearer = (_share_below(test, validation), 1 - _share_below(validation, test))
    auc = float(nearer[0].mean())
    sides = [_groups_and_variance(*side) for side in zip(nearer, (test_groups, validation_groups), strict=True)]
    fewest = min(count for count, _ in sides)
    p_value = None
    if fewest >= FEW_GROUPS:
        t = (auc - 0.5) / max(sum(variance for _, variance in sides), 1e-12) ** 0.5
        both_sides = float(incomplete_beta((fewest - 1) / 2, 0.5, (fewest - 1) / (fewest - 1 + t * t)))
        p_value = both_sides / 2 if t > 0 else 1 - both_sides / 2
    return DistributionShift(auc, float((test > max_distance(validation, validation_groups)).mean()), p_value)


def _share_below(values: NDArray[np.floating], others: NDArray[np.floating]) -> Floats:
    """For each of ``values``: the share of ``others`` that is smaller; equals count half."""
    ranked = np.sort(others)
    return (np.searchsorted(ranked, values, "left") + np.searchsorted(ranked, values, "right")) / (2 * len(others))


def _groups_and_variance(shares: Floats, groups: Groups | None) -> tuple[int, float]:
    """The number of groups, and the variance of the mean of ``shares`` (N)."""
    group_of = np.arange(len(shares)) if groups is None else np.unique(groups, return_inverse=True)[1]
    sums = np.bincount(group_of, shares - shares.mean())
    return len(sums), float(np.square(sums).sum() / len(shares) ** 2 * len(sums) / max(len(sums) - 1, 1))
