"""Coverage of the intervals, size and power of the equivalence test, as the tables of docs/statistics.md.

The simulated runs go through the functions that the report calls, one repetition at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from tabulate import tabulate

from sdp_plugin.statistics.intervals import (
    Interval,
    bootstrap_t_interval,
    corrected_interval,
    percentile_interval,
    t_interval,
)
from sdp_plugin.statistics.paired import PairedTest, compare_paired
from sdp_plugin.statistics.published import TEH2022
from sdp_plugin.statistics.ratios import ratio_of_equal_folds
from sdp_plugin.statistics.runs_by_images import draw_image_weights, runs_by_images_interval
from sdp_plugin.statistics.simulation.models import (
    ACCURACY,
    RUNS,
    SD,
    correlated_folds,
    cross_validated_accuracies,
    crossed_runs,
    independent_runs,
    paired_runs,
    skewed_runs,
)

Track = Callable[[Iterable], Iterable]
"""Wraps the repetitions of a row, to tell how far they are."""

FOLD_RATIO = ratio_of_equal_folds(RUNS)
# 1 / folds, for which the corrected variance is made: test / (test + train).
FOLD_CORRELATION = 1 / RUNS
PAIR_CORRELATIONS = (0.0, 0.5, 0.8)
# Points, by data set: those of configs/grids/table1.py.
MARGINS = {'CRC': 2.0, 'PCam': 1.0}
UNCORRECTED_AND_CORRECTED = ('uncorrected, %', 'half width', 'corrected (default), %', 'half width')


@dataclass(frozen=True)
class Share:
    """How often something happened.

    Args:
        count (int): How often.
        repetitions (int): Of how many.
    """

    count: int
    repetitions: int

    @property
    def percent(self) -> float:
        """The share in per cent."""
        return 100 * self.count / self.repetitions

    @property
    def error(self) -> float:
        """Its Monte-Carlo standard error in points."""
        share = self.count / self.repetitions
        return 100 * math.sqrt(share * (1 - share) / self.repetitions)

    def __str__(self) -> str:
        return f'{self.percent:.1f} ± {self.error:.1f}'


@dataclass(frozen=True)
class Coverage:
    """What an interval is worth.

    Args:
        share (Share): How often it contains the truth.
        half_width (float): Its mean half width, in points.
    """

    share: Share
    half_width: float


@dataclass(frozen=True)
class Table:
    """Simulated numbers.

    Args:
        title (str): What was simulated.
        head (tuple[str, ...]): Of the columns.
        rows (list[tuple[object, ...]]): Texts, numbers and shares, as wide as the head.
    """

    title: str
    head: tuple[str, ...]
    rows: list[tuple[object, ...]]

    def to_markdown(self) -> str:
        """The title and the table, ending in a line feed."""
        rows = [list(map(_text, row)) for row in self.rows]
        return f'{self.title}\n\n{tabulate(rows, self.head, tablefmt="github", disable_numparse=True)}\n'


def coverage(samples: Iterable[np.ndarray], truth: float, interval: Callable[[np.ndarray], Interval]) -> Coverage:
    """How often the intervals of these samples contain the truth."""
    intervals = [interval(sample) for sample in samples]
    share = Share(sum(truth in one for one in intervals), len(intervals))
    return Coverage(share, float(np.mean([one.half_width for one in intervals])))


def equivalence(tests: Sequence[PairedTest], error_rate: float = 0.05) -> Share:
    """How often a test calls two methods equivalent."""
    return Share(sum(test.equivalence_p <= error_rate for test in tests), len(tests))


def table_of_runs(repetitions: int, seed: int = 0, track: Track = iter) -> Table:
    """Coverage of the intervals over independent runs."""
    generator = np.random.default_rng(seed)
    methods = {
        'Student t (default)': t_interval,
        'bootstrap-t': partial(bootstrap_t_interval, num=999),
        'percentile bootstrap': partial(percentile_interval, num=999),
    }
    rows = []
    for name, draw in {'normal': independent_runs, 'long lower tail': skewed_runs}.items():
        for runs in (5, RUNS):
            samples = draw(generator, repetitions, runs)
            for method, interval in methods.items():
                covered = coverage(track(samples), ACCURACY, interval)
                rows.append((name, runs, method, covered.share, covered.half_width))
    title = f'Independent runs with a standard deviation of {SD:g} points: coverage of the 95 % interval of the mean.'
    return Table(title, ('runs are', 'n', 'interval', 'coverage, %', 'half width'), rows)


def table_of_folds(repetitions: int, seed: int = 0, track: Track = iter) -> Table:
    """Coverage of the intervals over ten folds with a given correlation."""
    generator = np.random.default_rng(seed)
    rows = []
    for correlation in (0.0, FOLD_CORRELATION, 0.2, 0.3):
        samples = correlated_folds(generator, repetitions, RUNS, correlation)
        rows.append((f'{correlation:g}', *_uncorrected_and_corrected(samples, ACCURACY, track)))
    title = 'Ten folds, each two with the same correlation: coverage of the 95 % interval of the mean.'
    return Table(title, ('correlation', *UNCORRECTED_AND_CORRECTED), rows)


def table_of_cross_validation(repetitions: int, seed: int = 0, track: Track = iter) -> Table:
    """Coverage of the intervals over the folds of real cross-validations of a small learner."""
    generator = np.random.default_rng(seed)
    rows = []
    for repeats in (1, 10):
        for examples in (12, 45):
            samples = cross_validated_accuracies(generator, repetitions, repeats, examples)
            correlation = mean_correlation(samples)
            # The truth is not known but by its mean over all repetitions, which is as exact as the coverage is.
            covered = _uncorrected_and_corrected(samples, float(samples.mean()), track)
            rows.append((f'{repeats} x {RUNS}', f'{examples} a class', correlation, *covered))
    title = (
        'Cross-validation of a nearest-mean classifier, 8 classes of 50, ten folds: coverage of the 95 % interval of '
        'the accuracy expected over data sets.'
    )
    return Table(title, ('repeats x folds', 'labelled', 'correlation of folds', *UNCORRECTED_AND_CORRECTED), rows)


def table_of_images(
    repetitions: int, seed: int = 0, track: Track = iter, sizes: Sequence[int] = (300, 2000, 32768)
) -> Table:
    """Coverage of the intervals over runs and test images."""
    generator = np.random.default_rng(seed)
    rows = []
    for images in sizes:
        over_both = partial(runs_by_images_interval, weights=draw_image_weights(images, seed=seed))
        for runs in (2, 3, 5, RUNS):
            both, alone = zip(
                *(
                    (over_both(sample), t_interval(100 * sample.mean(axis=1)))
                    for sample in (crossed_runs(generator, runs, images) for _ in track(range(repetitions)))
                ),
                strict=True,
            )
            covered = [coverage(intervals, ACCURACY, lambda interval: interval) for intervals in (both, alone)]
            rows.append((f'{images:,}', runs, *(part for one in covered for part in (one.share, one.half_width))))
    title = 'Runs on one test set: coverage of the 95 % interval of the accuracy expected over new runs and new images.'
    head = ('images', 'n', 'runs by images (default), %', 'half width', 'runs alone, %', 'half width')
    return Table(title, head, rows)


def table_of_equivalence(repetitions: int, seed: int = 0, track: Track = iter) -> Table:
    """Size and power of the equivalence tests at the paper's standard deviations."""
    generator = np.random.default_rng(seed)
    rows = []
    for column in TEH2022.columns:
        dataset, examples = column
        margin, folds = MARGINS[dataset], dataset == 'CRC'
        sds = tuple(TEH2022.rows[row][column].sd for row in ('Scribble segmentation', 'Full segmentation'))
        for correlation in PAIR_CORRELATIONS:
            at_margin, equal = (
                [
                    compare_paired(*pair, margin=margin, test_train_ratio=FOLD_RATIO if folds else None)
                    for pair in track(
                        paired_runs(
                            generator, repetitions, difference, sds, correlation, FOLD_CORRELATION if folds else 0.0
                        )
                    )
                ]
                for difference in (margin, 0.0)
            )
            uncorrected = equivalence([comparison.uncorrected for comparison in at_margin]) if folds else '-'
            shares = (
                equivalence([comparison.test for comparison in comparisons]) for comparisons in (at_margin, equal)
            )
            rows.append((f'{dataset} {examples:,}', f'± {margin:g}', f'{correlation:g}', *shares, uncorrected))
    title = (
        'Paired equivalence test of ten pairs with the standard deviations of the paper: how often it calls two '
        'methods equivalent if they differ by the margin (size) and if they do not differ (power). On CRC with the '
        f'corrected variance, folds correlated by {FOLD_CORRELATION:g}.'
    )
    return Table(title, ('cell', 'margin', 'correlation of pairs', 'size, %', 'power, %', 'size uncorrected, %'), rows)


def mean_correlation(samples: np.ndarray) -> float:
    """The mean correlation of two columns of (repetitions, n), from the spread of the rows' means and within rows."""
    within = samples.var(axis=1, ddof=1).mean()
    common = samples.mean(axis=1).var(ddof=1) - within / samples.shape[1]
    return float(common / (common + within))


# Which table, and how many repetitions it gets of each that was asked for: the slow ones fewer.
TABLES = {
    'runs': (table_of_runs, 1.0),
    'folds': (table_of_folds, 1.0),
    'cross-validation': (table_of_cross_validation, 0.1),
    'images': (table_of_images, 0.1),
    'equivalence': (table_of_equivalence, 1.0),
}


def _uncorrected_and_corrected(samples: np.ndarray, truth: float, track: Track) -> tuple[Share, float, Share, float]:
    uncorrected = coverage(track(samples), truth, t_interval)
    corrected = coverage(track(samples), truth, partial(corrected_interval, test_train_ratio=FOLD_RATIO))
    return uncorrected.share, uncorrected.half_width, corrected.share, corrected.half_width


def _text(value: object) -> str:
    return f'{value:.2f}' if isinstance(value, float) else str(value)
