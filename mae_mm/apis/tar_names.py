"""Where the images of tar files of other tools would be in a folder: ``SPLIT/CLASS/NAME``, as far as there are."""
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..datasets.files import check_file
from ..datasets.folder import imagenet_synsets
from ..datasets.shards import SUFFIX
from ..errors import InputError, listed

IMAGENET = 'imagenet-1k'  # in place of a file of classes: its WordNet ids
_SPLIT = re.compile(r'(?<![a-z])(?:(train)(?:ing)?|(val)(?:id|idation)?|(test))(?![a-z])')


class _Image(NamedTuple):
    tar: str
    member: str
    label: int | None
    folder: str | None = None  # of its class
    path: str = ''


def splits_of(tars: Sequence[str]) -> dict[str, str]:
    """Name of each tar file -> ``'train'``, ``'val'`` or ``'test'``, the word in it; all ``''`` without such words.

    Raises:
        ValueError: some have such a word and others have not, or one has two.
    """
    splits = {}
    for tar in tars:
        found = {split for match in _SPLIT.findall(tar.lower()) for split in match if split}
        if len(found) > 1:
            raise InputError(f'{tar} is named as of {" and of ".join(sorted(found))}; rename it')
        splits[tar] = found.pop() if found else ''
    without = [tar for tar in tars if not splits[tar]]
    if without and len(without) < len(tars):
        raise InputError(f'{listed(without)}: not named train, val or test as others there; rename it, or move it to '
                         'a folder of its own')
    return splits


def read_names(source: str | None) -> list[str] | None:
    """The names of classes in a file, one a line, or of ``imagenet-1k``.

    Raises:
        ValueError: a file that is not there, or with names that cannot be those of folders.
    """
    if source is None or source == IMAGENET:
        return list(imagenet_synsets()) if source else None
    check_file(source, 'a list of classes')
    try:
        with open(source, encoding='utf-8-sig') as file:
            names = [line.strip() for line in file.read().rstrip().splitlines()]
    except (OSError, ValueError) as error:
        raise InputError(f'{source} cannot be read as a list of classes: {error}') from None
    for number, name in enumerate(names):
        if not name or '/' in name or name.startswith('.') or not name.isprintable():
            raise InputError(f'{source}: line {number + 1}, {name[:80]!r}, cannot be the name of a folder, which each '
                             'class has; change it')
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice or not names:
        raise InputError(f'{source}: ' + (f'two lines are {twice[0]}' if twice else 'it is empty'))
    return names


def named(contents: Mapping[str, Mapping[str, Any]], classes: Sequence[str] | None,
          broken: dict[str, str]) -> tuple[dict[str, dict[str, str]], list[str] | None]:
    """Where each image is in the folder that the tar files are taken for, and the classes that there are.

    A path that images of several tar files have gets the name of the tar file before its own: ``cat/a-1.jpg``.

    Args:
        contents: tar file -> what it holds (:func:`.read_tar`).
        broken: takes images without a class where others have one, with the reason.

    Returns:
        tuple: tar file -> member -> path; and the sorted folders of classes, None without.

    Raises:
        ValueError: a class without a name, or two images of one path in a tar file.
    """
    splits = splits_of(list(contents))
    every = [image for tar in contents for image in _labelled(tar, contents[tar])]
    with_label = {splits[image.tar] for image in every if image.label is not None}
    width = len(str(max((image.label or 0 for image in every), default=0)))
    images = []
    for image in every:
        if image.label is not None:
            image = image._replace(folder=_folder(image, classes, width))
        elif splits[image.tar] in with_label:
            broken[f'{image.tar}/{image.member}'] = 'has no .cls, and others have'
            continue
        images.append(image._replace(path=_path(image.member, (splits[image.tar], image.folder))))
    folders = {image.folder for image in images if image.folder is not None}
    return _told_apart(images, contents), sorted(folders) or None


def _told_apart(images: Sequence[_Image], tars: Iterable[str]) -> dict[str, dict[str, str]]:
    often = Counter(image.path for image in images)
    found: dict[str, dict[str, str]] = {tar: {} for tar in tars}
    taken: dict[str, _Image] = {}
    for image in images:
        path = image.path
        if often[path] > 1:
            folder, base = os.path.split(path)
            path = os.path.join(folder, f'{image.tar.removesuffix(SUFFIX)}-{base}')
        other = taken.setdefault(path, image)
        if other is not image:
            raise InputError(f'{other.tar}/{other.member} and {image.tar}/{image.member} would both be {path}; rename '
                             'one of them')
        found[image.tar][image.member] = path
    return found


def _labelled(tar: str, content: Mapping[str, Any]) -> Iterator[_Image]:
    """The images of a tar file. Of ``a.jpg``, ``a.depth.png`` and ``a.cls`` the second is none."""
    labels = content['labels']
    stems = {member: os.path.splitext(member)[0] for member in content['members']}
    whole = {stem for stem in stems.values() if stem in labels}
    for member, stem in stems.items():
        folder, base = os.path.split(member)
        key = os.path.join(folder, base.partition('.')[0])
        if stem in labels or key not in whole:
            yield _Image(tar, member, labels.get(stem, labels.get(key)))


def _folder(image: _Image, classes: Sequence[str] | None, width: int) -> str:
    if classes is None:
        return f'{image.label:0{width}d}'
    if image.label is None or image.label >= len(classes):
        raise InputError(f'{image.tar}: {image.member} is of class {image.label}, and names are given of 0 to '
                         f'{len(classes) - 1}')
    return classes[image.label]


def _path(member: str, folders: Iterable[str | None]) -> str:
    """A member in some folders, unless it is there already, as in our own shards."""
    there = [folder for folder in folders if folder]
    for folder in there:
        member = member.removeprefix(f'{folder}/')
    return os.path.join(*there, member)
