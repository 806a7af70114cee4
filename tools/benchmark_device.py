"""Measuring on a processor or on a card: times, memory, waits, and what the machine can do at most."""
import contextlib
import json
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import torch


class Device(NamedTuple):
    """Where and in which precision everything of a benchmark runs."""
    name: str = 'cpu'
    dtype: str = 'float32'

    @property
    def is_card(self) -> bool:
        return self.name != 'cpu'

    def __str__(self) -> str:
        what = torch.cuda.get_device_name() if self.is_card else f'{torch.get_num_threads()} threads'
        return f'{self.dtype}, {what}, torch {torch.__version__}'

    def precision(self) -> contextlib.AbstractContextManager:
        """Mixed precision, or none for float32."""
        if self.dtype == 'float32':
            return contextlib.nullcontext()
        return torch.autocast(self.name, getattr(torch, self.dtype))

    def seconds(self, call: Callable, *args: Any, times: int = 1) -> float:
        """Of one of so many calls that follow each other."""
        self.wait()
        start = time.perf_counter()
        for _ in range(times):
            call(*args)
        self.wait()
        return (time.perf_counter() - start) / times

    def wait(self) -> None:
        if self.is_card:
            torch.cuda.synchronize()

    def peak_mib(self, call: Callable, *args: Any) -> float:
        """The most memory of the card that a call takes, with what was there before."""
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        call(*args)
        self.wait()
        return torch.cuda.max_memory_allocated() / 2**20

    def waits(self, call: Callable, *args: Any) -> int:
        """How often the processor waits for the card in a call."""
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter('always')
            torch.cuda.set_sync_debug_mode('warn')
            call(*args)
            torch.cuda.set_sync_debug_mode('default')
        return sum('called a synchronizing' in str(warning.message) for warning in told)

    def kernels(self, call: Callable, *args: Any) -> int:
        """How many kernels a call launches."""
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            call(*args)
            self.wait()
        return sum(event.count for event in profile.key_averages() if event.device_type.name == 'CUDA')

    def matrix_rate(self) -> float:
        """Floating-point operations a second of a product of random matrices, the best of five."""
        side = 8192 if self.is_card else 2048
        a, b = torch.randn(2, side, side, device=self.name, dtype=getattr(torch, self.dtype))
        return 2 * side**3 / min(self.seconds(torch.mm, a, b, times=10 if self.is_card else 1) for _ in range(6))

    def bandwidth(self) -> float:
        """Bytes a second, read and written, of copying a large tensor."""
        source = torch.randn(2**28 if self.is_card else 2**26, device=self.name)
        target = torch.empty_like(source)
        return 2 * source.nbytes / min(self.seconds(target.copy_, source, times=10) for _ in range(3))


def interleaved(device: Device, calls: dict[str, Callable[[], Any]], repeats: int, times: int = 1) -> dict[str, float]:
    """Median seconds of each call, which take turns."""
    measured: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        device.seconds(call, times=2)  # warm up
    for _ in range(repeats):
        for name, call in calls.items():
            measured[name].append(device.seconds(call, times=times))
    return {name: statistics.median(values) for name, values in measured.items()}


def write_json(path: str | None, results: Any) -> None:
    if path:
        with open(path, 'w') as file:
            json.dump(results, file, indent=1)
