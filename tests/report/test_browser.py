"""The page in a real browser: at three widths, light and dark, without network."""

from __future__ import annotations

import re

import pytest
from browser import CHROMIUM, DRIVER, Browser

from sdp_plugin.report import write_report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason='there is no Chromium with chromedriver to look at the page'),
]

# Contrast as WCAG 2 defines it, of each element that has text of its own against the first opaque ground below it.
LOW_CONTRAST = """
const parse = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
const linear = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const ground = (e) => {
  for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor;
    const parts = parse(c);
    if (c.startsWith('rgb') && (parts.length < 4 || parts[3] === 1)) return parts;
  }
  return [255, 255, 255];
};
return [...document.querySelectorAll('main *, header *, nav *, footer *')].filter((e) => {
  const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  if (!own || e.closest('title, desc, defs') || e.closest('.confusion td') || !e.getClientRects().length) return false;
  const style = getComputedStyle(e);
  const text = parse(e.namespaceURI.endsWith('svg') ? style.fill : style.color);
  const [high, low] = [luminance(text), luminance(ground(e))].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05) < 4.5;
}).map((e) => `${e.tagName}.${e.className.baseVal ?? e.className}: ${e.textContent.slice(0, 30)}`);
"""
OVERFLOW = """
const width = document.documentElement.clientWidth;
const sticksOut = (e) => !e.closest('.scroll, pre, .skip') && e.getBoundingClientRect().right > width + 1;
return [
  document.documentElement.scrollWidth - width,
  [...document.querySelectorAll('body *')].filter(sticksOut).map((e) => e.outerHTML.slice(0, 80)),
];
"""


@pytest.fixture(scope='module')
def browser():
    with Browser() as browser:
        yield browser


@pytest.fixture(scope='module')
def page(troubled, tmp_path_factory):
    return write_report(troubled[0], tmp_path_factory.mktemp('page'))[1]


@pytest.mark.parametrize('dark', [False, True], ids=['light', 'dark'])
@pytest.mark.parametrize('width', [360, 800, 1400])
def test_the_page_fits_asks_for_nothing_and_can_be_read(browser, page, width, dark):
    browser.open(page, width=width, dark=dark)
    browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert browser.run(OVERFLOW) == [0, []]
    assert browser.run(LOW_CONTRAST) == []
    assert browser.messages() == []
    assert {address for address in browser.requests() if not address.startswith('data:')} == {page.as_uri()}


def test_the_checks_see_pale_text_and_wide_elements(browser, page):
    browser.open(page, width=360)
    browser.run("document.querySelector('h1').style.cssText = 'color: #999; width: 500px'")
    assert [found for found in browser.run(LOW_CONTRAST) if found.startswith('H1')]
    overflow, elements = browser.run(OVERFLOW)
    assert overflow > 0
    assert [element for element in elements if element.startswith('<h1')]


def test_dark_is_dark(browser, page):
    grounds = []
    for dark in (False, True):
        browser.open(page, dark=dark)
        grounds.append(browser.run('return getComputedStyle(document.body).backgroundColor'))
    assert grounds == ['rgb(253, 252, 250)', 'rgb(21, 23, 26)']


def test_everything_is_there_without_scripts(browser, page, tmp_path):
    parts = 'return document.querySelectorAll("h2, table, figure").length'
    legend = 'return document.querySelectorAll(".legend button").length'
    browser.open(page)
    with_scripts = browser.run(parts)
    assert browser.run(legend) > 0
    without, scripts = re.subn('<script.*?</script>', '', page.read_text(), flags=re.DOTALL)
    assert scripts
    copy = tmp_path / 'without_scripts.html'
    copy.write_text(without)
    browser.open(copy)
    assert browser.run(legend) == 0
    assert browser.run(parts) == with_scripts


def test_the_keyboard_reaches_skip_link_and_folded_tables(browser, page):
    browser.open(page)
    browser.press('Tab')
    assert browser.run('return document.activeElement.textContent') == 'Skip to the results'
    assert browser.run('return document.activeElement.getBoundingClientRect().left') >= 0
    outline = 'const s = getComputedStyle(document.activeElement); return [s.outlineStyle, s.outlineWidth]'
    assert browser.run(outline) == ['solid', '2px']
    reached = set()
    for _ in range(80):
        browser.press('Tab')
        reached.add(browser.run('return document.activeElement.tagName + "." + document.activeElement.className'))
    assert {'A.', 'SUMMARY.', 'DIV.scroll', 'BUTTON.'} <= reached


def test_an_initialisation_can_stand_out(browser, page):
    browser.open(page)
    opacity = "return ['0', '1'].map((s) => getComputedStyle(document.querySelector(`.s${s}.trace`)).opacity)"
    assert browser.run(opacity) == ['1', '1']
    browser.run('document.querySelector(\'.legend button[data-style="1"]\').click()')
    assert browser.run(opacity) == ['0.12', '1']
    browser.run('document.querySelector(\'.legend button[data-style="1"]\').click()')
    assert browser.run(opacity) == ['1', '1']


def test_on_paper_nothing_is_cut_off(browser, page):
    # A4 within margins of a centimetre.
    browser.open(page, width=718, media='print')
    browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    ends = 'return [...document.querySelectorAll("table, figure, pre")].map((e) => e.getBoundingClientRect().right)'
    assert max(browser.run(ends)) <= 719
    assert browser.run("return getComputedStyle(document.querySelector('nav.contents')).display") == 'none'
    assert browser.run('return getComputedStyle(document.body).backgroundColor') == 'rgb(255, 255, 255)'
