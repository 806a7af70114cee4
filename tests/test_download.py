"""Downloads: resumed where they stopped, whole or not there, and what was published."""
import email.utils
import hashlib
import http.server
import os
import re
import threading

import pytest
import torch

from mae_mm.checkpoint import download as module
from mae_mm.checkpoint.download import download, published_hash
from mae_mm.errors import InputError

CONTENT = bytes(range(256)) * 5000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """A server of one file that understands ranges, and breaks off as often as it is told."""
    breaks: list[int] = []  # how many bytes to send of the next answers
    modified = 1_600_000_000
    requests: list[tuple[str | None, int]] = []  # the range that was asked for, and the status of the answer

    def do_GET(self):
        wanted = re.fullmatch(r'bytes=(\d+)-', self.headers.get('Range') or '')
        unchanged = self.headers.get('If-Range') == email.utils.formatdate(self.modified, usegmt=True)
        start = int(wanted[1]) if wanted and unchanged else 0
        status = 404 if 'missing' in self.path else 416 if start >= len(CONTENT) else 206 if start else 200
        type(self).requests.append((self.headers.get('Range'), status))
        self.send_response(status)
        self.send_header('Content-Length', str(len(CONTENT) - start if status < 400 else 0))
        self.send_header('Last-Modified', email.utils.formatdate(self.modified, usegmt=True))
        self.end_headers()
        if status < 400:
            self.wfile.write(CONTENT[start:][:self.breaks.pop(0) if self.breaks else None])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    monkeypatch.setattr(Handler, 'breaks', [])
    monkeypatch.setattr(Handler, 'requests', [])
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{running.server_port}', tmp_path / 'checkpoints'
        running.shutdown()


def names(folder):
    return sorted(file.name for file in folder.iterdir() if file.suffix != '.lock')


def test_a_file_is_fetched_once_with_progress(server, capsys):
    url, folder = server
    path = download(f'{url}/a.pth')
    assert open(path, 'rb').read() == CONTENT and names(folder) == ['a.pth']
    assert 'a.pth: 100%' in capsys.readouterr().err
    download(f'{url}/a.pth')
    assert len(Handler.requests) == 1


def test_processes_that_want_the_same_file_fetch_it_once(server):
    url, _ = server
    threads = [threading.Thread(target=download, args=(f'{url}/a.pth', )) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Handler.requests) == 1


def test_a_broken_connection_leaves_no_half_file_and_is_resumed(server):
    url, folder = server
    Handler.breaks = [1_000_000]
    with pytest.raises(InputError, match='could not be downloaded: the connection broke after 1000000 of 1280000'):
        download(f'{url}/a.pth')
    assert names(folder) == ['a.pth.partial']
    assert open(download(f'{url}/a.pth'), 'rb').read() == CONTENT
    assert Handler.requests == [(None, 200), ('bytes=1000000-', 206)]


def test_what_changed_on_the_server_is_not_pieced_together(server, monkeypatch):
    url, folder = server
    folder.mkdir()
    (folder / 'a.pth.partial').write_bytes(b'of another file')
    assert open(download(f'{url}/a.pth'), 'rb').read() == CONTENT
    assert Handler.requests == [('bytes=15-', 200)]


def test_a_whole_partial_file_is_fetched_anew(server):
    url, folder = server
    Handler.breaks = [10]
    with pytest.raises(InputError):
        download(f'{url}/a.pth')
    (folder / 'a.pth.partial').write_bytes(CONTENT)
    os.utime(folder / 'a.pth.partial', (Handler.modified, Handler.modified))
    assert open(download(f'{url}/a.pth'), 'rb').read() == CONTENT
    assert [status for _, status in Handler.requests] == [200, 416, 200]


def test_a_published_hash_is_checked(server, monkeypatch):
    url, folder = server
    download(f'{url}/right_20220101-{DIGEST[:8]}.pth')
    with pytest.raises(InputError, match=f'its sha256 begins with {DIGEST[:8]} and not, as published, with deadbeef'):
        download(f'{url}/wrong_20220101-deadbeef.pth')
    monkeypatch.setitem(module.MD5, f'{url}/mae.pth', 'ffffff')
    with pytest.raises(InputError, match='mae.pth: its md5 begins with'):
        download(f'{url}/mae.pth')
    assert names(folder) == [f'right_20220101-{DIGEST[:8]}.pth']


def test_a_missing_file_is_one_line(server):
    url, folder = server
    with pytest.raises(InputError, match='missing.pth could not be downloaded: HTTP Error 404'):
        download(f'{url}/missing.pth')
    assert not names(folder)


def test_published_hashes_are_known():
    assert published_hash('https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_base.pth') == ('md5', '8cad7c')
    name = 'mae_vit-base-p16_8xb512-fp16-coslr-1600e_in1k_20220825-f7569ca2.pth'
    assert published_hash(f'https://download.openmmlab.com/x/{name}') == ('sha256', 'f7569ca2')
    assert published_hash('https://example.com/a-large.pth') is None
    assert published_hash('https://example.com/a-20220825.pth') is None  # a date
