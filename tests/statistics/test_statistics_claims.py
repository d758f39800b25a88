from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from sdp_plugin.statistics.claims import EQUIVALENT, HIGHER, INCONCLUSIVE, LOWER, UNTESTED, claims
from sdp_plugin.statistics.intervals import Interval
from sdp_plugin.statistics.paired import compare_paired

# Mean 0, sample standard deviation 1.
SHAPE = np.array([-1.5, -1.0, -0.7, -0.4, -0.1, 0.1, 0.4, 0.7, 1.0, 1.5])
SHAPE = SHAPE / SHAPE.std(ddof=1)


def comparison(mean: float, sd: float, margin: float | None = 1.0, n: int = 10, **options):
    shape = SHAPE[:n] - SHAPE[:n].mean()
    return compare_paired(70 + mean + sd * shape, [70.0] * n, margin=margin, **options)


def claim(*arguments, **options):
    return claims([comparison(*arguments, **options)])[0]


def test_higher_in_words():
    # Error 1 / √10 = 0.316228, times the quantile 2.262157 is 0.715357; t = 9.486833, p < 0.001.
    assert claim(3.0, 1.0).text == 'Higher by 3.00 points (95 % interval 2.28 to 3.72; Holm-adjusted p < 0.001).'


def test_lower_in_words():
    assert claim(-3.0, 1.0).text == 'Lower by 3.00 points (95 % interval 2.28 to 3.72; Holm-adjusted p < 0.001).'


def test_equivalent_in_words():
    # The 90 % quantile is 1.833113: 0.1 ± 0.579681.
    found = claim(0.1, 1.0).text
    assert found == (
        'Equivalent within ±1 points (difference +0.10 points, 90 % interval -0.48 to +0.68; Holm-adjusted p = 0.010).'
    )


def test_different_and_yet_equivalent_in_words():
    found = claim(0.4, 0.2)
    assert found.verdict == HIGHER
    assert 'Higher by 0.40 points' in found.text
    assert 'Yet equivalent within ±1 points' in found.text


@pytest.mark.parametrize(
    ('mean', 'sd', 'margin', 'ends', 'said'),
    [
        (3.0, 1.0, None, (0.5, 5.5), 'Over other test images as well, 95 % interval +0.50 to +5.50.'),
        (
            3.0,
            1.0,
            None,
            (-0.5, 6.5),
            'Over other test images as well, 95 % interval -0.50 to +6.50, which includes 0.',
        ),
        (0.1, 1.0, 1.0, (-0.8, 1.0), 'Over other test images as well, 95 % interval -0.80 to +1.00.'),
        (0.1, 1.0, 1.0, (-0.8, 1.1), '+1.10, which reaches beyond ±1 points.'),
        (0.4, 0.2, 1.0, (-0.4, 1.2), '+1.20, which includes 0 and reaches beyond ±1 points.'),
        (0.1, 5.0, 1.0, (-9.0, 9.0), ''),
    ],
)
def test_what_is_claimed_of_a_test_set_says_what_is_known_of_others(mean, sd, margin, ends, said):
    found = claims([comparison(mean, sd, margin)], [Interval(*ends, 0.95, 'runs by images')])[0]
    assert found.text.endswith(said)
    assert ('other test images' in found.text) == bool(said)
    assert replace(found, text='') == replace(claim(mean, sd, margin), text='')


def test_inconclusive_in_words():
    found = claim(1.0, 5.0).text
    assert found.startswith(
        'Inconclusive: neither a difference nor equivalence within ±1 points is shown (difference +1.00 points, '
        '95 % interval -2.58 to +4.58; Holm-adjusted p = 0.54'
    )


@pytest.mark.parametrize(
    ('mean', 'sd', 'margin', 'verdict'),
    [
        (3.0, 1.0, 1.0, HIGHER),
        (-3.0, 1.0, None, LOWER),
        (0.1, 1.0, 1.0, EQUIVALENT),
        (0.1, 5.0, 1.0, INCONCLUSIVE),
        (0.1, 0.5, None, INCONCLUSIVE),
        (1.0, 0.0, 1.0, UNTESTED),
    ],
)
def test_verdicts(mean, sd, margin, verdict):
    found = claim(mean, sd, margin)
    assert found.verdict == verdict
    assert found.text.lower().startswith(verdict if verdict != UNTESTED else 'nothing may be claimed')


def test_nothing_is_called_equal():
    families = [
        [comparison(mean, sd, margin) for mean in (0, 0.3, 3) for sd in (0, 0.1, 1, 9)] for margin in (None, 1.0)
    ]
    for text in (one.text for family in families for one in claims(family)):
        assert not re.search(
            r'\bequal\b|no difference(?! is shown)|not significant|\bsame\b(?! amount)|\bnan\b', text
        ), text


def test_a_missing_margin_is_said():
    for mean in (0.1, 3.0):
        assert 'no margin was fixed before the runs' in claim(mean, 1.0, None).text
        assert 'no margin' not in claim(mean, 1.0, 1.0).text


def test_too_few_pairs_are_said():
    assert 'Nothing may be claimed: fewer than two pairs' in claim(0.1, 1.0, n=1).text


def test_holm_counts_the_family():
    # t = 0.75 √10 = 2.371708 with 9 degrees of freedom: p = 0.0418, and six times that in a family of six.
    one = comparison(0.75, 1.0, None)
    assert claims([one])[0].verdict == HIGHER
    family = claims([one] * 6)
    assert {found.verdict for found in family} == {INCONCLUSIVE}
    assert family[0].p == pytest.approx(6 * one.test.p)


def test_holm_counts_the_equivalences_of_the_family():
    # (1 - 0.1) √10 = 2.846050 with 9 degrees of freedom: one-sided p = 0.0096, and six times that in a family of six.
    one = comparison(0.1, 1.0)
    assert claims([one])[0].verdict == EQUIVALENT
    family = claims([one] * 6)
    assert {found.verdict for found in family} == {INCONCLUSIVE}
    assert family[0].equivalence_p == pytest.approx(6 * one.test.equivalence_p)


def test_holm_counts_equivalence_apart_and_untested_ones_not():
    one, untested = comparison(0.1, 1.0), comparison(0.1, 0.0)
    without_margin = comparison(0.1, 1.0, None)
    found = claims([one, untested, without_margin])
    assert found[0].equivalence_p == pytest.approx(one.test.equivalence_p)
    assert found[0].p == pytest.approx(min(1, 2 * one.test.p))
    assert (found[1].p, found[1].equivalence_p, found[2].equivalence_p) == (None, None, None)


def test_of_folds_the_corrected_test_counts():
    # Uncorrected p = 0.0418; the corrected t is 2.371708 / √2.1111 = 1.632.
    assert claim(0.75, 1.0, None, test_train_ratio=1 / 9).verdict == INCONCLUSIVE


def test_no_comparison_no_claim():
    assert claims([]) == []
