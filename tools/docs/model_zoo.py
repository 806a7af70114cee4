"""Write docs/model_zoo.md from metafile.yml: ``python tools/docs/model_zoo.py``."""
from collections.abc import Iterable
from pathlib import Path

try:
    from mae_mm.apis.zoo import PRETRAINING, Published, zoo
    from mae_mm.checkpoint.writing import AtomicBackend
except ImportError as error:
    raise SystemExit(f'error: {error}') from None

PAGE = Path(__file__).resolve().parents[2] / 'docs' / 'model_zoo.md'
HEAD = '''# Model zoo

<!-- Written by tools/docs/model_zoo.py from metafile.yml: change that. -->

Weights that other projects published, which this package loads as they are. **Nothing here was trained or measured by
this project**; the last column says who did, and where the figure is.

```shell
mae-mm download                          # the names below
mae-mm download mae_pretrain_vit_base    # fetched once, checked against its published hash; prints the path
mae-mm train finetune/vit_folder --cfg-options data_root=CLASSES arch=base \\
    checkpoint=$(mae-mm download mae_pretrain_vit_base)
```

The files lie in `$TORCH_HOME/hub/checkpoints` (default: `~/.cache/torch/hub/checkpoints`). A download that breaks off
goes on where it was. A file whose hash is not the published one is removed and refused. "Hash" is what its source
publishes: the first digits of the md5 or the sha256 of the file. Where it publishes none, the command prints the
sha256 of what it fetched.
'''
SECTIONS = ((PRETRAINING, 'Pre-training'), ('Image Classification', 'Classification'),
            ('Semantic Segmentation', 'Segmentation'))


def page() -> str:
    """The text of docs/model_zoo.md."""
    parts = [HEAD]
    for task, title in SECTIONS:
        entries = [entry for entry in zoo() if entry.task == task]
        parts.append(f'## {title}\n\n' + '\n'.join(table(entries, task == PRETRAINING)) + '\n')
    return '\n'.join(parts)


def table(entries: Iterable[Published], pretraining: bool) -> Iterable[str]:
    yield f'| name | {"epochs" if pretraining else "result"} | config | hash | published by |'
    yield '| --- | --- | --- | --- | --- |'
    for entry in entries:
        figures = ', '.join(f'{name} {figure:.2f}' for name, figure in entry.metrics.items())
        result = str(entry.epochs or '') if pretraining else f'{entry.dataset}, {figures}'
        told = ' '.join(entry.hash) if entry.hash else 'not published' if entry.weights else ''
        name = f'[{entry.name}]({entry.weights})' if entry.weights else f'{entry.name} (no weights)'
        yield f'| {name} | {result} | `{entry.config}` | {told} | {entry.source} |'


if __name__ == '__main__':
    AtomicBackend().put(page().encode(), str(PAGE))
    print(PAGE)
