"""A short form of the campaign of bad inputs: a few of every class; ``tools/bad_inputs.py`` tries a thousand."""
import json
import re
from collections import Counter

from .conftest import run_tool

GROUPS = ('pictures', 'labels', 'folders', 'settings', 'checkpoints', 'commands')
TOOL = 'tools/bad_inputs.py'


def test_a_few_bad_inputs_of_every_class_are_refused_or_rightly_accepted(tmp_path):
    output = run_tool(TOOL, '--number', 15, '--out', tmp_path / 'table.json')
    rows = json.loads((tmp_path / 'table.json').read_text())
    assert {row['name'].split('/')[0] for row in rows} == set(GROUPS) and len(rows) == 15
    assert not [row['name'] for row in rows if row['failure']]
    counts = Counter(row['outcome'] for row in rows)
    assert counts['refused'] > 6
    assert re.search(rf'all +15 +{counts["refused"]} +{counts["accepted"]} +{counts["skipped"]} +0\n', output)


def test_all_inputs_have_names_of_their_own_and_say_why_they_may_be_accepted():
    lines = run_tool(TOOL, '--list').splitlines()
    expected = 'refused|accepted|either|permissions do not bind the user root'
    inputs = [re.fullmatch(rf'(.+): ({expected})( \(.+\))?', line) for line in lines]
    assert all(inputs) and len(inputs) > 3000
    names = Counter(match[1] for match in inputs)
    assert not [name for name, number in names.items() if number > 1]
    assert not [match[1] for match in inputs if match[2] in ('accepted', 'either') and not match[3]]
