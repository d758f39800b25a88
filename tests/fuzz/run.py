#!/usr/bin/env python3
"""Give a parser many spoilt files, and stop at the first that it does not refuse in one clear error.

examples:
  PYTHONPATH=. python tests/fuzz/run.py labelme --cases 100000
  PYTHONPATH=. python tests/fuzz/run.py all --cases 100000 --keep-going
  PYTHONPATH=. python tests/fuzz/run.py config --cases 100000 --coverage    (guided by coverage, with atheris)
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

MEMORY = 6 * 2**30
SECONDS = 10


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('target', help='a name of the table in targets.py, or all')
    parser.add_argument('--cases', type=int, default=100_000, help='files (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='of the mutations (default: %(default)s)')
    parser.add_argument('--coverage', action='store_true', help='let atheris guide the mutations by coverage')
    parser.add_argument('--keep-going', action='store_true', help='go on after a finding')
    parser.add_argument('--findings', type=Path, default=Path('findings'), help='folder (default: %(default)s)')
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (4 * MEMORY, 4 * MEMORY))
    if args.coverage:
        return _guided(args)
    from targets import TARGETS

    names = list(TARGETS) if args.target == 'all' else [args.target]
    return max(_blind(name, args) for name in names)


def _blind(name: str, args: argparse.Namespace) -> int:
    from mutations import mutated
    from targets import TARGETS, Harm

    target, chance = TARGETS[name], random.Random(args.seed)
    seeds = target.seeds()
    known: set[str] = set()
    # libFuzzer has an alarm of its own.
    signal.signal(signal.SIGALRM, _take_too_long)
    started, taken, slowest = time.monotonic(), 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        assert target.takes(seeds[0], Path(folder)), 'the parser does not take what it should'
        for case in range(args.cases):
            if case and case % 10_000 == 0:
                print(f'{name}: {case} cases so far, {taken} taken, {len(known)} findings', flush=True)
            data = mutated(chance.choice(seeds), target.words, chance)
            before = time.monotonic()
            try:
                signal.alarm(6 * SECONDS)
                taken += target.run(data, Path(folder))
                signal.alarm(0)
                problem = ''
            except (Exception, Harm) as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                problem = f'{type(error).__name__} at {where.filename}:{where.lineno}'
                details = traceback.format_exc()
            seconds = time.monotonic() - before
            slowest = max(slowest, seconds)
            if not problem and seconds > SECONDS:
                problem = details = f'{seconds:.1f} s'
            if problem and problem not in known:
                known.add(problem)
                args.findings.mkdir(parents=True, exist_ok=True)
                (args.findings / f'{name}-{args.seed}-{case}{target.suffix}').write_bytes(data)
                print(f'{name}, case {case}: {details}', flush=True)
                if not args.keep_going:
                    return 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(
        f'{name}: {args.cases} cases, {taken} taken, {len(known)} findings, slowest {slowest:.2f} s, '
        f'{time.monotonic() - started:.0f} s in all, at most {peak} MiB',
        flush=True,
    )
    return int(bool(known))


def _guided(args: argparse.Namespace) -> int:
    import atheris

    with atheris.instrument_imports(include=['sdp_plugin']):
        from targets import TARGETS

        target = TARGETS[args.target]
        seeds = target.seeds()
        folder = Path(tempfile.mkdtemp())
        target.takes(seeds[0], folder)
    corpus = Path(tempfile.mkdtemp())
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed)
    words = corpus.with_suffix('.dict')
    words.write_text(''.join(map(_quoted, filter(None, target.words))))
    args.findings.mkdir(parents=True, exist_ok=True)
    options = [f'-runs={args.cases}', '-max_len=65536', f'-timeout={SECONDS}', f'-rss_limit_mb={MEMORY >> 20}']
    options += [f'-artifact_prefix={args.findings}/{args.target}-', '-print_final_stats=1', f'-seed={args.seed + 1}']
    options += [f'-dict={words}'] if target.words else []
    atheris.Setup([sys.argv[0], *options, str(corpus)], lambda data: target.run(data, folder))
    atheris.Fuzz()
    return 0


def _take_too_long(*_: object) -> None:
    from targets import Harm

    raise Harm('takes too long')


def _quoted(word: bytes) -> str:
    return '"' + ''.join(f'\\x{byte:02x}' for byte in word) + '"\n'


if __name__ == '__main__':
    sys.exit(main())
