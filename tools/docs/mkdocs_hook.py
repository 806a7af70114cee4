"""What mkdocs needs beside docs/: README.md as the home page, the configs' READMEs, the notebook, and their links.

A hook of mkdocs.yml. Links are written as they lead in the repository; what is no page of the site becomes a path.
"""
import json
import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
# Path in the repository -> page of the site; those of docs/ keep their names.
PAGES = {'README.md': 'index.md', 'docs/tutorial.ipynb': 'tutorial.md',
         **{f'configs/{room}/README.md': f'recipes/{room}.md' for room in ('pretrain', 'finetune', 'mae')}}
LINK = re.compile(r'(!?)\[([^][]*)\]\(([^()\s#]+)(#[^()\s]*)?\)')
ROLE = re.compile(r':(?:func|class|meth|mod|data):<code>[~.]*')  # of Sphinx, in docstrings


def on_files(files: Files, config: Any) -> Files:
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding='utf-8')
        content = notebook_page(text) if source.endswith('.ipynb') else text
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    sources = {target: source for source, target in PAGES.items()}
    return relinked(markdown, sources.get(page.file.src_uri, f'docs/{page.file.src_uri}'), page.file.src_uri)


def on_page_content(html: str, **_: Any) -> str:
    return ROLE.sub('<code>', html)


def relinked(text: str, source: str, page: str) -> str:
    """The text of a file of the repository with the links of a page of the site."""

    def replace(found: re.Match) -> str:
        picture, label, target, anchor = found.groups()
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if not (ROOT / path).exists():
            return found[0]  # a URL, or what mkdocs then warns of
        on_site = PAGES.get(path) or (path.removeprefix('docs/') if path.startswith('docs/') else None)
        if on_site is None:
            return f'`{path}`' if label.strip('`') in (path, posixpath.basename(path)) else f'{label} (`{path}`)'
        return f'{picture}[{label}]({os.path.relpath(on_site, posixpath.dirname(page) or ".")}{anchor or ""})'

    return LINK.sub(replace, text)


def notebook_page(text: str) -> str:
    """A notebook's cells as a page, and where the notebook is."""
    parts = []
    for cell in json.loads(text)['cells']:
        source = ''.join(cell['source'])
        parts.append(source if cell['cell_type'] == 'markdown' else f'```python\n{source}\n```')
    parts.insert(1, 'This page is the notebook `docs/tutorial.ipynb`.')
    return '\n\n'.join(parts) + '\n'
