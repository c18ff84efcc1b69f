"""A run's metrics, a JSON object a line, which a resumed run goes on writing."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqgen.errors import ConfigError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class Journal:
    """`metrics.jsonl`, and TensorBoard where it was asked for."""

    def __init__(self, path: Path, length: int, board_from: int | None = None):
        """Go on after the first `length` bytes; what a killed run wrote beyond them is cut.

        TensorBoard gets what comes after step `board_from`, and forgets what it had of that.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("r+b" if path.exists() else "w+b")
        if self._file.seek(0, 2) > length:
            self._file.truncate(length)
            self._file.seek(length)
        self._board: SummaryWriter | None = None
        if board_from is not None:
            folder = path.parent / "training" / "tensorboard"
            self._board = summary_writer()(str(folder), purge_step=board_from + 1)

    def write(self, record: Mapping[str, Any]) -> None:
        """Add one line; numbers under `step` go to TensorBoard as well."""
        # JSON has no word for what is no number.
        plain = {name: None if _lost(value) else value for name, value in record.items()}
        self._file.write(json.dumps(plain).encode() + b"\n")
        self._file.flush()
        if self._board is not None:
            kinds = (kind for kind in ("validation", "diagnosis") if record.get(kind))
            group = next(kinds, "train")
            for name, value in _scalars(record):
                self._board.add_scalar(f"{group}/{name}", value, record["step"])

    @property
    def length(self) -> int:
        """Bytes written, those of the run that is resumed included."""
        return self._file.tell()

    def close(self) -> None:
        """No more lines will come."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def _scalars(record: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a record and of what it holds by name, `part/name`."""
    for name, value in record.items():
        if isinstance(value, float):
            yield above + name, value
        elif isinstance(value, Mapping):
            yield from _scalars(value, f"{above}{name}/")


def _lost(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def summary_writer() -> "type[SummaryWriter]":
    """What writes for TensorBoard, whose package is an extra."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigError(
            "train.report_to = 'tensorboard' needs the tensorboard package; "
            "pip install 'seqgen[tensorboard]'"
        ) from None
    return SummaryWriter
