"""Draw docs/imports.svg, which room of mae_mm imports which: ``python tools/docs/imports.py``."""
import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / 'docs' / 'imports.svg'
# From above to below; the last one stands for the files beside the folders.
ROOMS = ('cli', 'apis', 'config', 'engine', 'evaluation', 'visualization', 'models', 'datasets', 'checkpoint', 'base')
LABELS = {'base': 'errors, registry, ...'}
WIDTH, TOP, STEP, HEIGHT, LEFT = 160, 20, 56, 32, 120  # of the boxes, in pixels


def imports() -> Counter:
    """``(room, room that it imports) -> number of modules that do``, without imports within a room."""
    found: Counter = Counter()
    for path in sorted((ROOT / 'mae_mm').rglob('*.py')):
        parts = path.relative_to(ROOT / 'mae_mm').with_suffix('').parts
        if parts[0] not in ('.mim', '__init__', '__main__', 'hub'):
            room = room_of(parts)
            tree = ast.parse(path.read_text(encoding='utf-8'))
            found.update({(room, room_of(target)) for target in targets(tree, parts)} - {(room, room)})
    return found


def room_of(parts: tuple[str, ...]) -> str:
    return parts[0] if parts[:1] and parts[0] in ROOMS else 'base'


def targets(tree: ast.AST, parts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The modules of the package that a module imports, as parts of their paths."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = parts[:len(parts) - node.level]
            module = folder + tuple(node.module.split('.') if node.module else ())
            yield from ([module] if module else [(alias.name, ) for alias in node.names])


def svg() -> str:
    """Boxes from above to below; an arc on the right is an import downwards, one on the left (red) upwards."""
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {TOP + STEP * len(ROOMS)}" width="640" '
             'font-family="sans-serif" font-size="14">',
             '<title>Which room of mae_mm imports which</title>', '<rect width="100%" height="100%" fill="white"/>',
             '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
             'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>']
    for (source, target), count in sorted(imports().items(), key=lambda item: (ROOMS.index(item[0][0]), item)):
        first, last = ROOMS.index(source), ROOMS.index(target)
        down = last > first
        x = LEFT + WIDTH if down else LEFT
        bulge = x + (30 + 34 * abs(last - first)) * (1 if down else -1)
        y0, y1 = TOP + STEP * first + HEIGHT * (3 / 4), TOP + STEP * last + HEIGHT / 4
        lines.append(f'<path d="M{x} {y0:g}C{bulge} {y0:g} {bulge} {y1:g} {x} {y1:g}" fill="none" '
                     f'stroke="{"#555" if down else "#d55e00"}" stroke-width="{1 + min(count, 20) / 8:g}" '
                     f'stroke-opacity=".6" marker-end="url(#tip)"><title>{source} -&gt; {target}: {count} '
                     f'{"module" if count == 1 else "modules"}</title></path>')
    for place, room in enumerate(ROOMS):
        y = TOP + STEP * place
        lines += [f'<rect x="{LEFT}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="4" fill="#e8f1fa" '
                  'stroke="#0072b2"/>',
                  f'<text x="{LEFT + WIDTH / 2:g}" y="{y + 21}" text-anchor="middle">{LABELS.get(room, room)}</text>']
    return '\n'.join([*lines, '</svg>', ''])


if __name__ == '__main__':
    PICTURE.write_text(svg(), encoding='utf-8')
    print(PICTURE)
