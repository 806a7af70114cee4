"""Fetching a URL once: with progress, resumed where it stopped, and checked against its published hash."""
import email.utils
import hashlib
import http.client
import os
import re
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlparse
from urllib.request import Request, urlopen

import torch
from filelock import FileLock  # torch needs it, too

from ..errors import InputError
from ..outputs import make_folder

# The first digits of the md5 that facebookresearch/mae publishes (README.md, FINETUNE.md).
MD5 = {
    'https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_base.pth': '8cad7c',
    'https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_large.pth': 'b8b06e',
    'https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_huge.pth': '9bdbb0',
    'https://dl.fbaipublicfiles.com/mae/finetune/mae_finetuned_vit_base.pth': '1b25e9',
    'https://dl.fbaipublicfiles.com/mae/finetune/mae_finetuned_vit_large.pth': '51f550',
    'https://dl.fbaipublicfiles.com/mae/finetune/mae_finetuned_vit_huge.pth': '2541f2',
}
# OpenMMLab's file names end in the first digits of their sha256; others' may in a date.
SHA256_IN_NAME = re.compile(r'-(?!20[0-9]{6}\.)([0-9a-f]{8,64})\.(?:pth|pt|safetensors)')
CHUNK = 1 << 20  # bytes
TIMEOUT = 60  # seconds without a byte
PARTIAL = '.partial'
HASH_SUFFIX = '.sha256'  # of the file with the hash of a checkpoint, beside it


def published_hash(url: str) -> tuple[str, str] | None:
    """The algorithm and the first digits of a URL's published hash, if it has one."""
    if url in MD5:
        return 'md5', MD5[url]
    match = SHA256_IN_NAME.search(os.path.basename(urlparse(url).path))
    return ('sha256', match[1]) if match else None


def file_hash(path: str, algorithm: str) -> str:
    """The hexadecimal digest of a file by ``'md5'`` or ``'sha256'``."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, 'rb') as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def download(url: str) -> str:
    """The path of a URL's file in torch's cache; it is fetched if it is not there.

    Raises:
        ValueError: it cannot be fetched, or is not the file that was published under this URL.
    """
    path = os.path.join(torch.hub.get_dir(), 'checkpoints', os.path.basename(urlparse(url).path) or 'checkpoint')
    make_folder(os.path.dirname(path))
    with FileLock(f'{path}.lock'):  # the processes of one training ask for the same file
        if os.path.isfile(path):
            _check_hash(url, path)
            return path
        try:
            _fetch(url, path + PARTIAL)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise InputError(f'{url} could not be downloaded: {error}') from error
        _check_hash(url, path + PARTIAL)
        os.replace(path + PARTIAL, path)
    return path


def _check_hash(url: str, path: str) -> None:
    published = published_hash(url)
    if published is None:
        return
    algorithm, digits = published
    found = file_hash(path, algorithm)
    if not found.startswith(digits):
        os.remove(path)
        raise InputError(f'{url}: its {algorithm} begins with {found[:len(digits)]} and not, as published, with '
                         f'{digits}; the file was removed, try again')


def _fetch(url: str, path: str) -> None:
    """Fetch what is missing of a file; what has arrived stays there if the connection breaks."""
    headers = {}
    have = os.path.getsize(path) if os.path.isfile(path) else 0
    if have:  # the file's time is that of the server's, so that a changed one is fetched anew
        headers = {'Range': f'bytes={have}-', 'If-Range': email.utils.formatdate(os.path.getmtime(path), usegmt=True)}
    try:
        response = urlopen(Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        if error.code != 416 or not have:  # all of it is there, or another file
            raise
        os.remove(path)
        response = urlopen(url, timeout=TIMEOUT)
    with response:
        have = have if response.status == 206 else 0
        total = int(response.headers.get('Content-Length') or 0) + have
        try:
            with open(path, 'ab' if have else 'wb') as file:
                _copy(response, file, have, total, os.path.basename(urlparse(url).path))
        finally:
            modified = email.utils.parsedate_tz(response.headers.get('Last-Modified'))
            os.utime(path, (email.utils.mktime_tz(modified), ) * 2 if modified else (0, 0))
    if total > os.path.getsize(path):
        raise OSError(f'the connection broke after {os.path.getsize(path)} of {total} bytes; what arrived is kept, '
                      'try again')


def _copy(response: Any, file: IO[bytes], have: int, total: int, name: str) -> None:
    with torch.hub.tqdm(total=total or None, initial=have, unit='B', unit_scale=True, desc=name) as progress:
        while chunk := response.read(CHUNK):
            file.write(chunk)
            progress.update(len(chunk))
