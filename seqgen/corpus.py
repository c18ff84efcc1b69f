"""Pairs of texts from Hugging Face names, folders, files: what to train on and evaluate with."""

import difflib
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import NamedTuple

from seqgen.errors import DataError
from seqgen.sections import DataConfig
from seqgen.splits import ROLES, locate
from seqgen.table import Row, Table, quoted

Keep = Callable[[str], bool]  # whether the pairs with this source belong to a split

# Columns that are taken for a pair wherever both are there.
PAIRS = (
    ("written", "spoken"),
    ("source", "target"),
    ("src", "tgt"),
    ("src", "trg"),
    ("input", "output"),
    ("source_text", "target_text"),
    ("input_text", "target_text"),
    ("word", "pronunciation"),
    ("grapheme", "phoneme"),
    ("graphemes", "phonemes"),
    ("lemma", "form"),
    ("noisy", "clean"),
    ("incorrect", "correct"),
    ("before", "after"),
    ("question", "answer"),
)
COUNTERS = ("id", "idx", "index", "")  # never a side of a guessed pair

HELD_OUT = 2000  # sources at most ...
SHARE = 20  # ... and one in so many
SKETCH = HELD_OUT * SHARE  # sources beyond which the first limit decides
KEY = (1).to_bytes(8, "big")  # of the hash that chooses them


class Split:
    """Pairs of texts, read anew on every pass and never held in memory."""

    def __init__(
        self,
        name: str,
        table: Table,
        pair: tuple[int, int],
        limit: int = 0,
        keep: Keep | None = None,
    ) -> None:
        self.name, self.where = name, table.where
        self._table, self._pair, self._keep = table, pair, keep
        self.dropped = self._length = 0
        for row in self._part(pair):
            if not _usable(row):
                self.dropped += 1
                continue
            self._length += 1
            if self._length == limit:
                break
        if not self._length:
            dropped = f" ({self.dropped} with an empty side)" if self.dropped else ""
            raise DataError(f"{self.where}: has no pair of texts{dropped}; one is needed at least")

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for row in self._rows(self._pair):
            yield str(row[0]), str(row[1])

    def column(self, name: str) -> Iterator[str]:
        """The texts of another column, one for each pair; where it is null, an empty one."""
        index = find_column(self._table, name)
        return (row[2] or "" for row in self._rows((*self._pair, index)))

    def _part(self, columns: Sequence[int]) -> Iterator[Row]:
        rows = self._table.rows(columns)
        return rows if self._keep is None else _kept(rows, self._keep)

    def _rows(self, columns: Sequence[int]) -> Iterator[Row]:
        left = self._length
        for row in self._part(columns):
            if _usable(row):
                yield row
                left -= 1
                if not left:
                    return


class Corpus(NamedTuple):
    """The splits of a dataset, the columns of its pairs, and what was decided on the way."""

    name: str
    source: str
    target: str
    train: Split | None
    validation: Split | None
    test: Split | None
    notes: tuple[str, ...]


def read_corpus(config: DataConfig) -> Corpus:
    """The corpus that the settings name; what is held out depends on the sources alone."""
    name, tables = locate(config)
    pairs = _choose_pairs(tables, config)
    first = next(iter(tables))
    source, target = (tables[first].columns[index] for index in pairs[first])
    notes = [_columns_note(config, tables[first], source, target)]
    keep: dict[str, Keep] = {}
    if "validation" not in tables and "train" in tables:
        keep = hold_out(tables["train"], pairs["train"])
        if not keep:
            notes.append("no validation split, and too few different sources to hold one out")
    for role in keep:
        tables[role], pairs[role] = tables["train"], pairs["train"]
    limits = (config.max_train_samples, config.max_eval_samples, config.max_predict_samples)
    splits = {
        role: Split(role, tables[role], pairs[role], limit, keep.get(role))
        for role, limit in zip(ROLES, limits, strict=True)
        if role in tables
    }
    if keep:
        held = _pairs(len(splits["validation"]))
        notes.append(f"held out {held} of train for validation, by their source")
    for role, split in splits.items():
        if split.dropped:
            notes.append(f"dropped {_pairs(split.dropped)} of {role} with an empty side")
        if config.group and role != "train":
            split.column(config.group)  # says now, not after training, that it is not there
    train, validation, test = (splits.get(role) for role in ROLES)
    return Corpus(name, source, target, train, validation, test, tuple(notes))


def _choose_pairs(tables: Mapping[str, Table], config: DataConfig) -> dict[str, tuple[int, int]]:
    """The pair of each table; a guess made for one holds for the others that have its columns."""
    pairs: dict[str, tuple[int, int]] = {}
    for role, table in tables.items():
        pairs[role] = source, target = choose_columns(table, config)
        config = replace(
            config,
            source=config.source or table.columns[source],
            target=config.target or table.columns[target],
        )
    return pairs


def _columns_note(config: DataConfig, table: Table, source: str, target: str) -> str:
    guessed = "" if config.source and config.target else " (guessed)"
    bare = source.isdecimal() and target.isdecimal() and not table.headed
    return f"columns {source} -> {target}{guessed}" + (", no header" if bare else "")


def _pairs(count: int) -> str:
    return f"{count:,} pair" + "s" * (count != 1)


def _usable(row: Row) -> bool:
    return all(text and not text.isspace() for text in row[:2])


def _kept(rows: Iterator[Row], keep: Keep) -> Iterator[Row]:
    return (row for row in rows if keep(row[0] or ""))


def find_column(table: Table, wanted: str) -> int:
    """The index of a column, by its name or else its number."""
    if table.columns.count(wanted) == 1:
        return table.columns.index(wanted)
    if wanted in table.columns:
        raise DataError(f"{table.where}: has more than one column {wanted!r}; give its number")
    if wanted.isdecimal() and int(wanted) < len(table.columns):
        return int(wanted)
    near = difflib.get_close_matches(wanted, table.columns, n=1)
    hint = ""
    if near:
        hint = f"; did you mean {near[0]!r}?"
    elif table.headed:
        hint = "; a file without a header takes numbers, such as --source 0 --target 1"
    has = quoted(table.columns)
    raise DataError(f"no column {wanted!r} in {table.where}; it has {has}{hint}")


def choose_columns(table: Table, config: DataConfig) -> tuple[int, int]:
    """The source and target columns: those the settings name, or a guess without a choice."""
    given = [find_column(table, side) if side else None for side in (config.source, config.target)]
    source, target = given
    if source is None or target is None:
        source, target = _guess(table, source, target)
    if source == target:
        raise DataError(
            f"source and target are both column {table.columns[source]!r} of {table.where};"
            " they must differ"
        )
    return source, target


def _guess(table: Table, source: int | None, target: int | None) -> tuple[int, int]:
    """What the names leave no choice about: a known pair, or the only two columns of text."""
    texts = [table.columns.index(name) for name in table.texts if name.lower() not in COUNTERS]
    if source is None and target is None:
        lower = [name.lower() for name in table.columns]
        known = [pair for pair in PAIRS if set(pair) <= set(lower)]
        if len(known) == 1:
            return lower.index(known[0][0]), lower.index(known[0][1])
        free = {table.columns[index] for index in texts} <= table.nested
        if len(texts) == 2 and not free:
            return texts[0], texts[1]
    else:
        others = [index for index in texts if index not in (source, target)]
        if len(others) == 1:
            return others[0] if source is None else source, others[0] if target is None else target
    has = quoted(table.columns)
    if len(table.columns) < 2:
        raise DataError(f"{table.where}: has one column only, {has}; a pair needs two")
    choices = "; say which with --source and --target"
    if all(map(str.isdecimal, table.columns)) and not table.headed:
        choices += ", by number, or by the names of the first line if it holds names"
    raise DataError(f"{table.where}: has columns {has}{choices}")


def hold_out(table: Table, pair: tuple[int, int]) -> dict[str, Keep]:
    """Which sources are train's and which validation's; empty where there is one source only.

    Chosen by a hash of the source, so that pairs with one source stay together, and runs with
    other seeds are judged on the same pairs and may decode together. The smallest
    hashes alone are remembered: enough to know how many sources there are, up to `SKETCH`.
    """
    heap: list[int] = []  # negative, so that the largest hash is first
    seen: set[int] = set()
    for row in filter(_usable, table.rows(pair)):
        value = _hash(str(row[0]))
        if value in seen or (len(heap) == SKETCH and value > -heap[0]):
            continue
        seen.add(value)
        if len(heap) < SKETCH:
            heapq.heappush(heap, -value)
        else:
            seen.remove(-heapq.heappushpop(heap, -value))
    if len(heap) < 2:
        return {}
    count = min(HELD_OUT, max(1, len(heap) // SHARE))
    limit = -heapq.nlargest(count, heap)[-1]
    return {
        "train": lambda source: _hash(source) > limit,
        "validation": lambda source: _hash(source) <= limit,
    }


def _hash(source: str) -> int:
    return int.from_bytes(blake2b(source.encode(), digest_size=8, key=KEY).digest(), "big")
