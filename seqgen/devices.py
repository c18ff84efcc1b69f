"""Which processor a model runs on, and in which arithmetic."""

import ctypes
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from seqgen.errors import ConfigError
from seqgen.trainsection import TrainConfig

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
LARGE = 2**22  # bytes


def keep_memory() -> None:
    """Use freed memory again, where the C library would give much of it back.

    An update frees and asks for the same sizes over and over; memory that comes anew costs a page
    fault every 4 KiB. What is large goes back all the same: between pieces that are kept it would
    leave gaps that nothing fits, by which training came to hold a third more after 100 updates.
    Nothing happens where the C library is not glibc.
    """
    try:
        library = ctypes.CDLL("libc.so.6")
    except OSError:
        return
    library.mallopt(M_MMAP_THRESHOLD, LARGE)
    library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


@contextmanager
def without_denormals() -> Iterator[None]:
    """Round numbers to 0 that are too small for fast arithmetic.

    Moments of weights that rarely get a gradient decay into them and slow a long run down.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def pick_device(name: str) -> torch.device:
    """The device of that name; `auto` is a GPU where there is one that works."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(
            f"device {name!r} is none that there is; --device takes auto, cpu, cuda or cuda:N"
        ) from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"device {name}: torch {torch.__version__} finds no usable GPU; "
            f"--device cpu trains without"
        )
    return device


def device_line(device: torch.device, settings: TrainConfig) -> str:
    """What is trained on, and a warning where a GPU is there but unused."""
    if device.type == "cuda":
        return f"device      {device}: {torch.cuda.get_device_name(device)}"
    line = f"device      cpu, {torch.get_num_threads()} threads"
    if torch.cuda.is_available():
        line += "; a GPU is there but not used: --device auto takes it"
    elif shutil.which("nvidia-smi"):
        line += f"; a GPU is there, but torch {torch.__version__} cannot use it"
    return line


def precision(settings: TrainConfig, cell: str) -> str:
    """The arithmetic that training uses: bf16 where it is faster, unless a setting forbids."""
    if settings.precision != "auto":
        return settings.precision
    if torch.cuda.is_available() and not settings.device.startswith("cpu"):
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    # Our own kernels compute in fp32; oneDNN's LSTM is as fast as the processor's bf16.
    return "bf16" if cell == "lstm" and multiplies_bf16() else "fp32"


def multiplies_bf16() -> bool:
    """Whether this processor has products of bf16."""
    known = getattr(torch.cpu, "get_capabilities", None)  # an older torch cannot tell
    found = known() if known else {}
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))
