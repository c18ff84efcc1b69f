"""Rows of named columns that are read anew on every pass; Arrow data as such rows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqgen.errors import DataError

if TYPE_CHECKING:
    import pyarrow

Row = tuple[str | None, ...]

ROWS = 1000  # taken from Arrow data at a time


@dataclass(frozen=True)
class Table:
    """Rows of named columns that can be read again and again and are never held in memory."""

    where: str
    columns: tuple[str, ...]
    texts: tuple[str, ...]  # the columns that a guess may take
    rows: Callable[[Sequence[int]], Iterator[Row]]  # the cells of these columns, in this order
    nested: frozenset[str] = frozenset()  # columns out of one object, which has no order
    headed: bool = False  # the names stand in the first line, or were taken from it by mistake


def quoted(names: Sequence[str]) -> str:
    """The names in quotes, with commas, none of them long and not too many."""
    shown = [repr(name if len(name) <= 40 else name[:37] + "...") for name in names[:12]]
    return ", ".join(shown + ["..."] * (len(names) > 12))


def column_names(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The last part of each path where that names one column, else all of it."""
    last = [path[-1] for path in paths]
    return tuple(path[-1] if last.count(path[-1]) == 1 else ".".join(path) for path in paths)


def concatenated(tables: Sequence[Table]) -> Table:
    """The rows of all tables, one after another; each must have the columns of the first."""
    first = tables[0]
    if len(tables) == 1:
        return first

    def rows(chosen: Sequence[int]) -> Iterator[Row]:
        for table in tables:
            names = [first.columns[index] for index in chosen]
            missing = [name for name in names if name not in table.columns]
            if missing:
                raise DataError(
                    f"{table.where}: has no column {missing[0]!r} as {first.where} has;"
                    f" it has {quoted(table.columns)}"
                )
            yield from table.rows([table.columns.index(name) for name in names])

    where = f"{first.where} and {len(tables) - 1} more"
    return replace(first, where=where, rows=rows)


def parquet_table(path: Path) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        schema = pyarrow.parquet.read_schema(path)
    except pyarrow.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: is not a parquet file: {reason}") from None

    def batches(tops: list[str]) -> Iterator[Any]:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=ROWS, columns=tops)

    return arrow_table(str(path), schema, batches)


def arrow_table(
    where: str, schema: "pyarrow.Schema", batches: Callable[[list[str]], Iterator[Any]]
) -> Table:
    """A table of Arrow data; `batches` gives the named columns, some rows at a time."""
    import pyarrow.types

    paths: list[tuple[str, ...]] = []
    kinds: list[pyarrow.DataType] = []
    for field in schema:
        inner = list(field.type) if pyarrow.types.is_struct(field.type) else []
        paths += [(field.name, leaf.name) for leaf in inner] or [(field.name,)]
        kinds += [leaf.type for leaf in inner] or [field.type]
    columns = column_names(paths)

    def rows(chosen: Sequence[int]) -> Iterator[Row]:
        for index in chosen:
            if not _is_text(kinds[index]) and not _is_number(kinds[index]):
                raise DataError(
                    f"{where}: column {columns[index]!r} holds {kinds[index]}; a text is needed"
                )
        wanted = [paths[index] for index in chosen]
        row = 0
        for batch in batches(list(dict.fromkeys(path[0] for path in wanted))):
            try:
                yield from zip(*(_arrow_cells(batch, path) for path in wanted), strict=True)
            except UnicodeDecodeError:
                raise DataError(f"{where}: a text after row {row} is not UTF-8") from None
            row += batch.num_rows

    texts = tuple(name for name, kind in zip(columns, kinds, strict=True) if _is_text(kind))
    return Table(where, columns, texts, rows, nested_columns(columns, paths))


def nested_columns(columns: Sequence[str], paths: Sequence[tuple[str, ...]]) -> frozenset[str]:
    """Those of the columns that are keys of an object within a row."""
    return frozenset(name for name, path in zip(columns, paths, strict=True) if len(path) > 1)


def _arrow_cells(batch: Any, path: tuple[str, ...]) -> list[str | None]:
    import pyarrow.compute

    column = batch.column(path[0])
    for name in path[1:]:
        column = pyarrow.compute.struct_field(column, name)
    return [value if value is None else str(value) for value in column.to_pylist()]


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    checks = (types.is_integer, types.is_floating, types.is_decimal, types.is_null)
    return any(check(kind) for check in checks)
