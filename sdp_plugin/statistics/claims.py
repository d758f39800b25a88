"""In words what a comparison allows to be claimed, and what it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sdp_plugin.statistics.intervals import Interval
from sdp_plugin.statistics.multiple import holm
from sdp_plugin.statistics.paired import PairedComparison

HIGHER, LOWER, EQUIVALENT, INCONCLUSIVE, UNTESTED = 'higher', 'lower', 'equivalent', 'inconclusive', 'untested'


@dataclass(frozen=True)
class Claim:
    """What may be said of one comparison among several.

    Args:
        verdict (str): ``'higher'``, ``'lower'``, ``'equivalent'``, ``'inconclusive'`` or ``'untested'``. A difference
            that is shown goes before an equivalence that is shown as well; the text then says both.
        text (str): One or two sentences, without the methods' names: the first method is the subject.
        p (float | None): Holm-adjusted p value of the difference.
        equivalence_p (float | None): Holm-adjusted p value of the equivalence; None where it was not tested.
    """

    verdict: str
    text: str
    p: float | None
    equivalence_p: float | None


def claims(comparisons: Sequence[PairedComparison], over_images: Sequence[Interval | None] = ()) -> list[Claim]:
    """The claims of a family of comparisons, for example of two methods over all cells of a table.

    Differences and equivalences are two families, each adjusted by Holm's method over the comparisons. Tests are over
    the runs: of runs with one test set they hold for it, and the text says what is known of others.

    Args:
        comparisons (Sequence[PairedComparison]): The whole family.
        over_images (Sequence[Interval | None]): Of each mean difference, the interval over runs *and* test images, None
            where there is none. Defaults to none of any.

    Returns:
        list[Claim]: In the same order.
    """
    tests = [comparison.test for comparison in comparisons]
    p_values = holm([test and test.p for test in tests])
    equivalence_p_values = holm([test and test.equivalence_p for test in tests])
    over_images = over_images or [None] * len(tests)
    return [_claim(*parts) for parts in zip(comparisons, p_values, equivalence_p_values, over_images, strict=True)]


def _claim(
    comparison: PairedComparison, p: float | None, equivalence_p: float | None, over_images: Interval | None
) -> Claim:
    if comparison.test is None:
        return Claim(UNTESTED, _capitalised(f'nothing may be claimed: {comparison.note}.'), None, None)
    error_rate = 1 - comparison.level
    differs = p <= error_rate
    equivalent = equivalence_p is not None and equivalence_p <= error_rate
    verdict = INCONCLUSIVE
    if differs:
        verdict = HIGHER if comparison.difference > 0 else LOWER
    elif equivalent:
        verdict = EQUIVALENT
    sentences = [_difference(comparison, verdict, p), _equivalence(comparison, verdict, equivalent, equivalence_p)]
    if over_images and (differs or equivalent):
        sentences.append(_of_other_images(over_images, differs, comparison.margin if equivalent else None))
    return Claim(verdict, ' '.join(f'{_capitalised(text)}.' for text in sentences if text), p, equivalence_p)


def _difference(comparison: PairedComparison, verdict: str, p: float) -> str:
    interval = comparison.test.interval
    if verdict in (HIGHER, LOWER):
        return (
            f'{verdict} by {abs(comparison.difference):.2f} points ({_within(interval, comparison.difference)}; '
            f'Holm-adjusted p {_p_value(p)})'
        )
    if verdict == EQUIVALENT:
        return ''
    shown = f'difference {_signed(comparison.difference)} points, {_range(interval)}; Holm-adjusted p {_p_value(p)}'
    if comparison.margin is None:
        return f'inconclusive: no difference is shown ({shown})'
    return f'inconclusive: neither a difference nor equivalence within ±{comparison.margin:g} points is shown ({shown})'


def _equivalence(comparison: PairedComparison, verdict: str, equivalent: bool, p: float | None) -> str:
    if comparison.margin is None:
        return 'equivalence was not tested, because no margin was fixed before the runs'
    shown = f'{_range(comparison.test.equivalence_interval)}; Holm-adjusted p {_p_value(p)}'
    if verdict == EQUIVALENT:
        return (
            f'equivalent within ±{comparison.margin:g} points '
            f'(difference {_signed(comparison.difference)} points, {shown})'
        )
    if equivalent:
        return f'yet equivalent within ±{comparison.margin:g} points ({shown})'
    return ''


def _of_other_images(interval: Interval, differs: bool, margin: float | None) -> str:
    against = ['includes 0'] if differs and 0 in interval else []
    if margin is not None and not -margin <= interval.low <= interval.high <= margin:
        against.append(f'reaches beyond ±{margin:g} points')
    return f'over other test images as well, {_range(interval)}' + (
        f', which {" and ".join(against)}' if against else ''
    )


def _within(interval: Interval, difference: float) -> str:
    low, high = sorted((abs(interval.low), abs(interval.high))) if difference < 0 else (interval.low, interval.high)
    return f'{_percent(interval.level)} interval {low:.2f} to {high:.2f}'


def _range(interval: Interval) -> str:
    return f'{_percent(interval.level)} interval {_signed(interval.low)} to {_signed(interval.high)}'


def _percent(level: float) -> str:
    return f'{100 * level:g} %'


def _signed(points: float) -> str:
    return f'{points:+.2f}'


def _p_value(p: float) -> str:
    return '< 0.001' if p < 0.001 else f'= {p:.3f}'


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
