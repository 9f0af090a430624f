"""An analysis as one small string of bytes, and back, bit for bit.

What belongs here: which arrays lie in it, and how each is laid out so that it compresses. What does
not: where the bytes lie (`stores.result_rows`), or an analysis as a folder of files (`storage`).

What follows from the rest is not in it: draws of a quadrature are made of its grid and the seed
when somebody asks. Draws of a sampler, and of an auditor, cannot be made again by arithmetic alone
and are kept as they are.

A string is `MAGIC`, three lengths a part (packed and plain, little-endian uint32 each) and three
parts compressed by Zstandard: a JSON header, arrays of few values as they are, and the other arrays
as planes of their bytes: all first bytes, then all second ones. Signs and exponents resemble each
other from number to number, so their planes shrink; the last digits do not.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from its_pipeline.its.results import PosteriorDraws, PosteriorGrid
from its_pipeline.its.storage import DRAW_GROUPS, Stored

MAGIC: Final = b"ITSA\x01"
_LENGTHS: Final = struct.Struct("<6I")
#: Fifteen costs four times as long, a tenth of an analysis, and saves two hundredths.
_LEVEL: Final = 6
#: An array with at most this share of different values is one of few values.
_FEW: Final = 0.25
_DAILY: Final = "daily"


def packed(stored: Stored, tables: Mapping[str, pd.DataFrame]) -> bytes:
    """Return an analysis as one string of bytes.

    Parameters
    ----------
    stored
        The analysis as `storage` reads it; its draws and chains are float32.
    tables
        What lies beside it, by name: its series, and its comparison series.

    Returns
    -------
    bytes
        What `unpacked` takes.

    Raises
    ------
    TypeError
        A table has a column of something else than numbers, instants, days or texts.
    """
    header: dict[str, Any] = {"told": stored.told, "tables": {}, "arrays": []}
    arrays: dict[str, np.ndarray] = {}
    for name, table in {_DAILY: stored.daily, **tables}.items():
        columns = []
        for column in table.columns:
            values, said = _column(name, table[column])
            arrays[f"{name}/{column}"] = values
            columns.append([str(column), *said])
        header["tables"][name] = columns
    kept = stored.kept
    trace = stored.trace
    if isinstance(kept, PosteriorGrid):
        scalars = {}
        for each in fields(kept):
            value = getattr(kept, each.name)
            if isinstance(value, np.ndarray):
                arrays[f"grid/{each.name}"] = value
            else:
                scalars[each.name] = value
        header["grid"] = scalars
    elif kept is not None:
        header["draws"] = {group: list(getattr(kept, group)) for group in DRAW_GROUPS}
        arrays["draws/design"] = kept.design
        if kept.trials is not None:
            arrays["draws/trials"] = kept.trials
        for group in DRAW_GROUPS:
            for name, values in getattr(kept, group).items():
                arrays[f"draws/{group}/{name}"] = values
        if trace.keys() == kept.noise.keys() and all(
            trace[name] is kept.noise[name] for name in trace
        ):
            # A sampler's own noise is the trace.
            header["trace_is_noise"] = True
            trace = {}
    header["trace"] = list(trace)
    arrays |= {f"trace/{name}": values for name, values in trace.items()}
    plain, planes = [], []
    for name, values in arrays.items():
        is_few = len(np.unique(values)) <= _FEW * values.size
        # Down the columns: a column's numbers resemble each other, a row's do not.
        flat = values.ravel(order="F")
        (plain if is_few else planes).append(flat.tobytes() if is_few else _planes(flat))
        # How an array lies in memory decides in which order products sum it up.
        order = "C" if values.flags.c_contiguous else "F"
        header["arrays"].append([name, values.dtype.str, list(values.shape), order, is_few])
    text = json.dumps(header, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _joined([text.encode(), b"".join(plain), b"".join(planes)])


def unpacked(content: bytes) -> tuple[Stored, dict[str, pd.DataFrame]]:
    """Return what `packed` was given.

    Parameters
    ----------
    content
        What `packed` returned.

    Returns
    -------
    tuple
        The analysis, and the tables beside it.

    Raises
    ------
    ValueError, LookupError, OSError
        It is not whole.
    """
    text, plain, planes = _parts(content)
    header = json.loads(text)
    arrays = dict(_arrays(header["arrays"], plain, planes))
    tables = {
        name: pd.DataFrame(
            {said[0]: _values(arrays[f"{name}/{said[0]}"], *said[1:]) for said in columns}
        )
        for name, columns in header["tables"].items()
    }
    daily = tables.pop(_DAILY)
    trace = {name: arrays[f"trace/{name}"] for name in header["trace"]}
    kept: PosteriorDraws | PosteriorGrid | None = None
    if "grid" in header:
        scalars = {**header["grid"], "names": tuple(header["grid"]["names"])}
        own = {
            name.partition("/")[2]: values
            for name, values in arrays.items()
            if name.startswith("grid/")
        }
        kept = PosteriorGrid(**own, **scalars)
    elif "draws" in header:
        groups = {
            group: {name: arrays[f"draws/{group}/{name}"] for name in names}
            for group, names in header["draws"].items()
        }
        kept = PosteriorDraws(
            design=arrays["draws/design"], trials=arrays.get("draws/trials"), **groups
        )
        if header.get("trace_is_noise"):
            trace = dict(kept.noise)
    return Stored(header["told"], daily, trace, kept), tables


def told_of(content: bytes) -> dict[str, Any]:
    """Return what a packed analysis says of itself, without unpacking its arrays.

    Parameters
    ----------
    content
        What `packed` returned.
    """
    return json.loads(_parts(content, 1)[0])["told"]


def _column(table: str, column: pd.Series) -> tuple[np.ndarray, tuple[str, list[str]]]:
    """Return a column as an array without objects, its kind, and its texts where it has any."""
    values = column.to_numpy()
    if values.dtype.kind in "fiubM":
        return values, (values.dtype.str, [])
    codes, found = pd.factorize(column)
    kind = pd.api.types.infer_dtype(found, skipna=False)
    if kind in ("string", "empty"):
        return codes.astype(np.int32), ("text", [str(each) for each in found])
    if kind == "date":
        return codes.astype(np.int32), ("date", [each.isoformat() for each in found])
    raise TypeError(
        f"column {column.name!r} of {table} has values of {kind}: an analysis is packed with "
        "numbers, instants, days and texts alone"
    )


def _values(array: np.ndarray, kind: str, texts: list[str]) -> Any:
    if kind not in ("text", "date"):
        return array
    found: list[Any] = texts
    if kind == "date":
        from datetime import date

        found = [date.fromisoformat(text) for text in texts]
    # Missing texts have the code -1.
    return pd.Series([*found, None], dtype=object).to_numpy()[array]


def _planes(flat: np.ndarray) -> bytes:
    return flat.view(np.uint8).reshape(-1, flat.itemsize).T.tobytes()


def _arrays(
    listed: list[tuple[str, str, list[int], Literal["C", "F"], bool]], plain: bytes, planes: bytes
) -> Iterator[tuple[str, np.ndarray]]:
    at = {True: 0, False: 0}
    for name, kind, shape, order, is_few in listed:
        dtype = np.dtype(kind)
        count = int(np.prod(shape, dtype=int))
        source, start = (plain if is_few else planes), at[is_few]
        part = np.frombuffer(source, np.uint8, count * dtype.itemsize, start)
        at[is_few] = start + count * dtype.itemsize
        if not is_few:
            part = np.ascontiguousarray(part.reshape(dtype.itemsize, -1).T).reshape(-1)
        values = part.view(dtype).reshape(shape, order="F")
        yield name, np.array(values, order=order)


def _joined(parts: list[bytes]) -> bytes:
    codec = pa.Codec("zstd", compression_level=_LEVEL)
    small = [codec.compress(part, asbytes=True) for part in parts]
    lengths = [length for pair in zip(small, parts, strict=True) for length in map(len, pair)]
    return MAGIC + _LENGTHS.pack(*lengths) + b"".join(small)


def _parts(content: bytes, most: int = 3) -> list[bytes]:
    """Return the first parts of a string."""
    if content[: len(MAGIC)] != MAGIC:
        raise ValueError(f"a packed analysis should begin with {MAGIC!r}: {content[:8]!r} does not")
    codec = pa.Codec("zstd")
    start = len(MAGIC) + _LENGTHS.size
    lengths = _LENGTHS.unpack_from(content, len(MAGIC))
    parts = []
    for length, size in list(zip(lengths[::2], lengths[1::2], strict=True))[:most]:
        small = content[start : start + length]
        parts.append(codec.decompress(small, decompressed_size=size, asbytes=True))
        start += length
    return parts
