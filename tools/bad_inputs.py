"""Give every subcommand a thousand bad inputs, and see that each is refused in one clear line.

    python tools/bad_inputs.py [--number 1000] [--classes pictures labels ...] [--seed 0] [--out table.json]
    python tools/bad_inputs.py --only NAME [--keep DIR]    # one of them, with what it printed
    python tools/bad_inputs.py --list                      # all of them, and which have to be accepted, and why

Commands are forks of this process, on tiny data and models that it makes in a temporary folder. A failure is an input
that is accepted in silence, a stack trace, an error that names nothing, more than a minute or a GiB, a file written
outside the outputs, an input that changed, or code of an input that ran. Exits with 1 if there is any.
"""
import argparse
import contextlib
import json
import os
import random
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import torch
from campaign.inputs import BadInput
from campaign.stock import Stock
from campaign.trial import Outcome, attempt
from campaign.warming import import_all, train_models

from mae_mm.progress import progress_of

GROUPS = ('pictures', 'labels', 'folders', 'settings', 'checkpoints', 'commands')


def main() -> None:
    parser = argparse.ArgumentParser(description='Give every subcommand bad inputs, and judge what it does')
    parser.add_argument('--number', type=int, default=1000, help='of inputs; default: %(default)s; 0 for all')
    parser.add_argument('--classes', nargs='+', choices=GROUPS, default=GROUPS)
    parser.add_argument('--seed', type=int, default=0, help='of what is drawn: which inputs, where a file is damaged')
    parser.add_argument('--out', metavar='TABLE.json', help='write what became of each input there')
    parser.add_argument('--only', metavar='NAME', help='try the inputs of this name, and show what they print')
    parser.add_argument('--keep', metavar='DIR', help='with --only: make the input there, and leave it')
    parser.add_argument('--list', action='store_true', help='print all inputs and stop')
    args = parser.parse_args()
    torch.set_num_threads(1)
    everything = [bad for group in args.classes for bad in inputs_of(group, args.seed)]
    if args.list:
        for bad in everything:
            print(f'{bad.name}: {bad.skipped or bad.expected}{f" ({bad.why})" if bad.why else ""}')
        return
    chosen = [bad for bad in everything if bad.name == args.only] if args.only else draw(
        everything, args.number, args.seed)
    if not chosen:
        sys.exit(f'error: there is no input {args.only!r}; --list prints all')
    outcomes = campaign(chosen, args.seed, Path(args.keep).absolute() if args.keep else None)
    for outcome in outcomes if args.only else ():
        print(outcome.output)
    report(outcomes, args.seed)
    if args.out:
        Path(args.out).write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1) + '\n')
    sys.exit(any(outcome.failure for outcome in outcomes))


def inputs_of(group: str, seed: int) -> list[BadInput]:
    module = __import__(f'campaign.{group}', fromlist=[''])
    return list(module.inputs(random.Random(seed)))


def draw(everything: list[BadInput], number: int, seed: int) -> list[BadInput]:
    """So many of the inputs, of each class in proportion, in their order."""
    if number <= 0 or number >= len(everything):
        return everything
    order = list(range(len(everything)))
    random.Random(seed).shuffle(order)
    rank = {place: i for i, place in enumerate(order)}
    groups: dict[str, list[int]] = {}
    for place, bad in enumerate(everything):
        groups.setdefault(bad.group, []).append(place)
    shares = {place: (i + .5) / len(places) for places in groups.values()
              for i, place in enumerate(sorted(places, key=lambda place: rank[place]))}
    return [everything[place] for place in sorted(sorted(shares, key=lambda place: shares[place])[:number])]


def campaign(chosen: list[BadInput], seed: int, keep: Path | None = None) -> list[Outcome]:
    import_all()
    outcomes = []
    with tempfile.TemporaryDirectory() as folder, progress_of(len(chosen)) as progress:
        stock = Stock(Path(folder) / 'stock')
        train_models(stock)
        with contextlib.suppress(KeyboardInterrupt):  # the table of what has been done
            for bad in chosen:
                outcomes.append(attempt(bad, stock, seed, keep))
                progress.update()
    return outcomes


def report(outcomes: list[Outcome], seed: int) -> None:
    """A table by class, and each failure with how to repeat it."""
    columns = ('refused', 'accepted', 'skipped', 'FAILED')
    counts: dict[str, Counter] = {}
    for outcome in outcomes:
        for row in (outcome.name.split('/')[0], 'all'):
            counts.setdefault(row, Counter())[outcome.outcome] += 1
    print(f'{"class":<12}' + ''.join(f'{title:>10}' for title in ('inputs', *columns)))
    for row in sorted(counts, key=lambda name: name == 'all'):
        print(f'{row:<12}{counts[row].total():>10}' + ''.join(f'{counts[row][title]:>10}' for title in columns))
    for reason, number in Counter(outcome.told for outcome in outcomes if outcome.outcome == 'skipped').items():
        print(f'skipped: {number}, as {reason}')
    failed = [outcome for outcome in outcomes if outcome.failure]
    for kind, number in Counter(outcome.failure.split(':')[0] for outcome in failed).most_common():
        print(f'FAILED: {number} x {kind}')
    for outcome in failed:
        print(f'{outcome.name}: {outcome.failure}; status {outcome.status}, {outcome.seconds:.1f} s; '
              f'{outcome.told[:300]}\n    python tools/bad_inputs.py --seed {seed} --only {outcome.name!r}')
    done = [outcome.seconds for outcome in outcomes if outcome.status is not None]
    print(f'{len(failed)} of {len(outcomes)} failed; {sum(done):.0f} s in commands, {max(done, default=0):.1f} s the '
          f'longest; seed {seed}, {"root" if os.geteuid() == 0 else "no root"}')


if __name__ == '__main__':
    main()
