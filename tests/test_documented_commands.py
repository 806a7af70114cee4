"""The commands of the documents: subcommands, options, configs and settings that there are.

Other tests run them: tests/test_chain.py, test_picture_commands.py, test_coming_from.py, test_api.py, test_export.py.
"""
import argparse
import contextlib
import io
import re
import runpy
import shlex

import pytest

from mae_mm.cli import COMMANDS, run
from mae_mm.cli.common import add_settings
from mae_mm.config.names import config_names
from mae_mm.config.reading import read_config

from .conftest import ROOT
from .test_documents import PAGES

NAMED = re.compile(r'(?<![\w./-])(?:configs/)?((?:pretrain|finetune|linear_probe|knn|mae|demo)/[\w.-]+?)(?:\.py)?'
                   r'(?![\w./*$-])')


def commands_of(text: str) -> list[str]:
    """Lines of shell blocks without comments, and what stands in backticks."""
    blocks = re.findall(r'```(?:shell)?\n(.*?)```', text, re.S)
    lines = [line for block in blocks for line in block.replace('\\\n', ' ').splitlines()]
    spans = re.findall(r'`([^`]+)`', re.sub(r'```.*?```', '', text, flags=re.S))
    found = [' '.join(re.sub(r'(^|\s)#.*', '', line).split()) for line in (*lines, *spans)]
    found = [line for line in found if re.match(r'(mae-mm|python tools/\S+|tools/\S+) ', line)]
    return [line for line in found if not line.startswith('mae-mm SUBCOMMAND')]


@pytest.fixture(scope='module')
def options_of():
    """Subcommand -> the options that its help names."""
    known: dict[str, set[str]] = {}

    def options(command: str) -> set[str]:
        if command not in known:
            with contextlib.redirect_stdout(io.StringIO()) as told, pytest.raises(SystemExit):
                run([command, '--help'])
            known[command] = set(re.findall(r'--[a-z][\w-]*', told.getvalue()))
        return known[command]

    return options


@pytest.mark.parametrize('path', PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_the_commands_name_is_there(path, options_of):
    for line in commands_of(path.read_text()):
        words = line.split()
        if words[0] != 'mae-mm':
            script = words[1] if words[0] == 'python' else words[0]
            assert list(ROOT.glob(script)), line
            continue
        named = re.match(r'mae-mm ([a-z]+(?: \| [a-z]+)*)', line)[1].split(' | ')
        assert set(named) <= set(COMMANDS), line
        for option in re.findall(r'(?<![\w-])--[a-z][\w-]*', line):
            assert all(option in options_of(name) for name in named), f'{line}: {option}'
        configs = [name for name in NAMED.findall(line) if not (ROOT / name).exists()]
        assert set(configs) <= set(config_names()), line
        if configs and '--cfg-options' in words and not re.search(r'\[|\.\.\.', line):
            parser = argparse.ArgumentParser()
            add_settings(parser)
            settings = shlex.split(line.partition('--cfg-options')[2].replace('$(', '').replace(')', ''))
            settings = [word for word in settings if '=' in word and not word.startswith('statistics=')]  # of a file
            read_config(configs[0], parser.parse_args(['--cfg-options', *settings]).cfg_options)


def test_each_command_is_run_or_there_is_a_reason_not_to():
    """What tools/docs/run_commands.py runs has no word left that stands for nothing; it takes a quarter of an hour."""
    tool = runpy.run_path(str(ROOT / 'tools/docs/run_commands.py'))
    made = {'PHOTOS', 'CLASSES', 'SCENES', 'NEW_IMAGES', 'FIELDS', 'TARS', 'SMALL', 'CAMVID'}
    written = {'SHARDS', 'PICTURES', 'FOLDER', 'OUT', 'DST'}
    run, reasons = 0, set()
    for path in tool['PAGES']:
        page = path.relative_to(ROOT).as_posix()
        for command in tool['commands_of'](path.read_text()) if page not in tool['ELSEWHERE'] else ():
            reason = tool['reason_against'](command)
            reasons.add(reason)
            if not reason:
                run += 1
                words = set(re.findall(r'(?<![\w./-])[A-Z_]{3,}(?![\w=])', tool['small'](command, page)))
                assert words <= made | written
    assert run > 80 and reasons - {None} == set(tool['NOT_RUN'].values())
