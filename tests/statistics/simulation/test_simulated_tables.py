"""The claims of docs/statistics.md, on fewer repetitions: each bound is at least three Monte-Carlo errors off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sdp_plugin.statistics.intervals import (
    Interval,
    bootstrap_t_interval,
    corrected_interval,
    percentile_interval,
    t_interval,
)
from sdp_plugin.statistics.runs_by_images import draw_image_weights, runs_by_images_interval
from sdp_plugin.statistics.simulation.models import (
    correlated_folds,
    cross_validated_accuracies,
    crossed_runs,
    independent_runs,
)
from sdp_plugin.statistics.simulation.tables import (
    FOLD_CORRELATION,
    FOLD_RATIO,
    MARGINS,
    TABLES,
    Share,
    Table,
    coverage,
    mean_correlation,
    table_of_equivalence,
    table_of_runs,
)

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize('runs', [5, 10])
def test_the_default_covers_93_to_97_per_cent_of_normal_runs(runs):
    share = coverage(independent_runs(np.random.default_rng(runs), 5000, runs), 80.0, t_interval).share
    assert share.error < 0.35
    assert 93 + 3 * share.error < share.percent < 97 - 3 * share.error


def test_bootstrap_t_covers_about_as_much():
    samples = independent_runs(np.random.default_rng(1), 1500, 10)
    share = coverage(samples, 80.0, lambda values: bootstrap_t_interval(values, num=499)).share
    assert 92 < share.percent < 97


def test_a_percentile_bootstrap_of_ten_runs_covers_about_90_per_cent():
    samples = independent_runs(np.random.default_rng(2), 2500, 10)
    share = coverage(samples, 80.0, lambda values: percentile_interval(values, num=499)).share
    assert 87.5 < share.percent < 92.5


def test_the_corrected_interval_covers_at_least_93_per_cent_of_correlated_folds():
    samples = correlated_folds(np.random.default_rng(3), 5000, 10, FOLD_CORRELATION)
    share = coverage(samples, 80.0, lambda values: corrected_interval(values, FOLD_RATIO)).share
    assert share.percent - 3 * share.error > 93
    assert coverage(samples, 80.0, t_interval).share.percent < 88


def test_repeated_cross_validation_needs_the_correction():
    samples = cross_validated_accuracies(np.random.default_rng(4), 300, 10, 12)
    truth = float(samples.mean())
    assert coverage(samples, truth, lambda values: corrected_interval(values, FOLD_RATIO)).share.percent > 93
    assert coverage(samples, truth, t_interval).share.percent < 65


@pytest.mark.parametrize('sd_of_runs', [0.05, 0.2])
@pytest.mark.parametrize('runs', [2, 3])
def test_runs_by_images_covers_with_two_or_three_runs(runs, sd_of_runs):
    generator = np.random.default_rng(8)
    weights = draw_image_weights(300, num=300)
    samples = [crossed_runs(generator, runs, 300, sd_of_runs=sd_of_runs) for _ in range(500)]
    # An error of one point; with Satterthwaite's degrees of freedom two runs of the larger spread cover 91 %.
    assert coverage(samples, 80.0, lambda sample: runs_by_images_interval(sample, weights=weights)).share.percent > 94


@pytest.mark.parametrize('runs', [5, 10])
def test_runs_by_images_covers_new_images_and_runs_alone_do_not(runs):
    generator = np.random.default_rng(5)
    weights = draw_image_weights(300, num=500)
    samples = [crossed_runs(generator, runs, 300) for _ in range(800)]
    share = coverage(samples, 80.0, lambda sample: runs_by_images_interval(sample, weights=weights)).share
    # An error of 0.8 points.
    assert 92.5 < share.percent < 98
    assert coverage(samples, 80.0, lambda sample: t_interval(100 * sample.mean(axis=1))).share.percent < 90


def test_equivalence_keeps_its_error_rate_and_its_power_grows():
    table = table_of_equivalence(400, seed=6)
    size, power = (table.head.index(name) for name in ('size, %', 'power, %'))
    assert len(table.rows) == 18
    for row in table.rows:
        # Five per cent of 400 have an error of 1.1 points; the largest of 18 shares is that of 3.2 errors.
        assert row[size].percent < 5 + 3.5 * 1.1, row
    for cell in range(0, 18, 3):
        powers = [row[power].percent for row in table.rows[cell : cell + 3]]
        assert powers == sorted(powers)
        assert powers[2] > 10
    assert table.rows[-1][power].percent > 99
    # The uncorrected test of correlated folds errs more often than it says.
    assert max(row[-1].percent for row in table.rows[:9]) > 8


def test_the_margins_are_those_of_the_shipped_grid():
    from mmengine.config import Config

    comparisons = Config.fromfile(ROOT / 'configs' / 'grids' / 'table1.py').comparisons
    assert [one.margin for one in comparisons if 'margin' in one] == [MARGINS]


def test_a_share_and_its_error_by_hand():
    # √(0.9 * 0.1 / 900) is one per cent.
    share = Share(810, 900)
    assert (share.percent, share.error) == (pytest.approx(90), pytest.approx(1))
    assert str(share) == '90.0 ± 1.0'


def test_coverage_by_hand():
    samples = np.array([[0.0], [1.0], [3.0], [4.0]])
    covered = coverage(samples, 2.0, lambda values: Interval(values[0] - 1.5, values[0] + 1.5, 0.95, ''))
    assert (covered.share, covered.half_width) == (Share(2, 4), 1.5)


@pytest.mark.parametrize('correlation', [0.0, 0.1, 0.4])
def test_mean_correlation(correlation):
    samples = correlated_folds(np.random.default_rng(7), 10_000, 10, correlation)
    assert mean_correlation(samples) == pytest.approx(correlation, abs=0.02)


@pytest.mark.parametrize('name', sorted(set(TABLES) - {'images'}))
def test_tables_are_as_wide_as_their_head_and_repeatable(name):
    table, _ = TABLES[name]
    first = table(10, seed=1)
    assert all(len(row) == len(first.head) for row in first.rows)
    assert first == table(10, seed=1)
    assert first != table(10, seed=2)


def test_images_table():
    table, _ = TABLES['images']
    assert [row[:2] for row in table(10, sizes=(50, 100)).rows] == [
        (images, runs) for images in ('50', '100') for runs in (2, 3, 5, 10)
    ]


def test_markdown():
    table = Table('Title.', ('n', 'share'), [(10, Share(810, 900)), (5, 0.25)])
    title, _, head, rule, *rows = table.to_markdown().splitlines()
    cells = [[cell.strip() for cell in line.strip('|').split('|')] for line in (head, *rows)]
    assert title == 'Title.'
    assert set(rule) == set('|-')
    assert cells == [['n', 'share'], ['10', '90.0 ± 1.0'], ['5', '0.25']]


def test_every_interval_stands_in_the_table_of_runs():
    assert [row[:3] for row in table_of_runs(10).rows][:3] == [
        ('normal', 5, 'Student t (default)'),
        ('normal', 5, 'bootstrap-t'),
        ('normal', 5, 'percentile bootstrap'),
    ]
