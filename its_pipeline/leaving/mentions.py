"""Where a person is named: in texts of ours, and anywhere in a file whatever its format.

What belongs here: recognising an identifier. What does not: what is done about it.

Identifiers can be short ("42", "run"), so in a text that others share a person is recognised by the
forms alone in which this house writes them: an experiment's key, a folder of theirs, a name in
quotes. In a file that is deleted or kept as a whole, any occurrence between characters that
identifiers cannot have counts.
"""

from __future__ import annotations

import gzip
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.events.keys import SEPARATOR
from its_pipeline.events.schema import pc

#: What stands where a person's name or key stood.
NOBODY: Final = "forgotten"
_CHARACTERS: Final = r"[A-Za-z0-9_.@+-]"
_CHUNK_BYTES: Final = 1 << 20


class Mentions:
    """Recognises a person in texts that are also about others.

    Parameters
    ----------
    user_id
        The person.
    keys
        Their experiments, as far as they are known; Dagster's names of pictures hold them with
        ``_`` in the place of ``|``.
    """

    def __init__(self, user_id: str, keys: Iterable[str] = ()) -> None:
        name = re.escape(user_id)
        joined = [re.escape(key.replace(SEPARATOR, "_")) for key in keys]
        forms = [
            rf"(?<!{_CHARACTERS}){name}{re.escape(SEPARATOR)}{_CHARACTERS}+",
            # Not MLflow's addresses, which number their experiments.
            rf"(?<!#/)\b(?:experiments|reports)/{name}(?=/)",
            rf"(?<=['`]){name}(?=['`])",
            *joined,
        ]
        self._pattern = re.compile("|".join(forms))

    def is_in(self, text: str) -> bool:
        """Tell whether a text names the person."""
        return self._pattern.search(text) is not None

    def out_of(self, text: str) -> str:
        """Return a text with `NOBODY` wherever it named the person."""
        return self._pattern.sub(NOBODY, text)


def is_named_in(path: Path, user_id: str) -> bool:
    """Tell whether a person's identifier stands anywhere in a file, packed or not.

    Parameters
    ----------
    path
        Text in UTF-8 or UTF-16, gzip, a zip (as spreadsheets are), Parquet, or anything that holds
        texts as they are (SQLite).
    user_id
        The person.

    Raises
    ------
    OSError, ValueError, zipfile.BadZipFile, EOFError
        It is packed, and damaged.
    """
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"PAR1":
        return _is_in_parquet(path, user_id)
    if start[:2] == b"\x1f\x8b":
        with gzip.open(path) as file:
            return _is_in_bytes(file, user_id)
    if start == b"PK\x03\x04":
        with zipfile.ZipFile(path) as packed:
            for name in packed.namelist():
                with packed.open(name) as file:
                    if _is_in_bytes(file, user_id):
                        return True
            return False
    with path.open("rb") as file:
        return _is_in_bytes(file, user_id)


def _is_in_bytes(file: IO[bytes] | gzip.GzipFile, user_id: str) -> bool:
    patterns = [
        re.compile(
            rf"(?<!{_CHARACTERS}){re.escape(user_id)}(?![A-Za-z0-9_@+-])(?!\.[A-Za-z0-9_])".encode()
        ),
        re.compile(re.escape(user_id.encode("utf-16-le"))),
    ]
    kept = 4 * len(user_id) + 4
    last = b""
    while chunk := file.read(_CHUNK_BYTES):
        text = last + chunk
        if any(pattern.search(text) for pattern in patterns):
            return True
        last = text[-kept:]
    return False


def _is_in_parquet(path: Path, user_id: str) -> bool:
    file = pq.ParquetFile(path, pre_buffer=False)
    texts = [f.name for f in file.schema_arrow if f.type in (pa.string(), pa.large_string())]
    return any(
        bool(pc.any(pc.equal(pc.utf8_trim_whitespace(column), user_id)).as_py())
        for batch in file.iter_batches(columns=texts)
        for column in batch.columns
    )
