"""A journal file behind a process that all workers ask: the proxy of `python -m hpo.serve`.

Only this process reads and writes the file. What many workers append at once is written together,
with one lock and one wait for the disk, so that a slow file system delays workers, but not by each
other. The proxy speaks Optuna's protocol too, which sends whole trials.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hpo.storage.identity import StorageLostError
from hpo.storage.journal import JournalFile
from hpo.storage.records import dump, parse
from hpo.storage.remote import CHUNK, TIMEOUT_S, Known, OtherJournalError, RemoteJournal

SERVICE = "hpo.Journal"
_FAR = 1 << 40  # the number of a record that no journal has
_MOST_BYTES = 64 << 20  # of a message
OPTIONS = [("grpc.max_receive_message_length", _MOST_BYTES), ("grpc.so_reuseport", 0)]


class ProxyJournal(RemoteJournal):
    """The journal behind a proxy, for `optuna.storages.JournalStorage`.

    Args:
        address: host and port.
    """

    def __init__(self, address: str) -> None:
        import grpc

        super().__init__(f"grpc://{address}")
        self._address, self._channel = address, grpc.insecure_channel(address, options=OPTIONS)
        self._failure, self._lost_code = grpc.RpcError, grpc.StatusCode.DATA_LOSS
        self._unknown_code = grpc.StatusCode.UNIMPLEMENTED

    def __reduce__(self) -> tuple[type[ProxyJournal], tuple[str]]:
        return ProxyJournal, (self._address,)

    def is_served(self) -> bool:
        """Tell whether the server is ours: Optuna's own proxy does not know this protocol.

        Raises:
            grpc.RpcError: it cannot be reached.
        """
        try:
            self._read(Known(), _FAR)
        except self._failure as error:
            if error.code() == self._unknown_code:
                return False
            raise
        return True

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def _read(self, known: Known, begin: int) -> list[bytes]:
        return self._call("Read", _request(known, begin)).splitlines()

    def _append(self, known: Known, lines: list[bytes]) -> None:
        self._call("Append", b"\n".join([_request(known, 0), *lines]))

    def _call(self, method: str, request: bytes) -> bytes:
        try:
            answer: bytes = self._channel.unary_unary(f"/{SERVICE}/{method}")(
                request, timeout=TIMEOUT_S
            )
        except self._failure as error:
            if error.code() == self._lost_code:
                raise OtherJournalError from error
            raise
        return answer


class JournalService:
    """What the proxy does with the requests of `ProxyJournal`; many threads call it.

    Args:
        path: the journal file; created if it does not exist.

    Raises:
        OSError: the file cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self._file = JournalFile(path)
        self._lines: list[bytes] = []
        self._reading, self._queueing = threading.Lock(), threading.Lock()
        self._queue: list[_Append] = []
        self._writer = ThreadPoolExecutor(1)
        self._look()

    def read(self, request: bytes) -> bytes:
        """Return records, a line each.

        Raises:
            OtherJournalError: the worker has read another journal.
            OSError: the file cannot be read.
            StorageLostError: it is not the file that was read before.
            ValueError: this is no request.
        """
        known, digest, begin = _parsed(request)
        self._look()
        self._check(known, digest)
        return b"\n".join(self._lines[begin : begin + CHUNK])

    def append(self, request: bytes) -> bytes:
        """Append records, together with those of other workers that wait for the disk.

        Raises:
            As `read`; of whole records only.
        """
        head, *lines = request.split(b"\n")
        known, digest, _ = _parsed(head)
        parsed = [parse(line) for line in lines]
        if not all(len(records) == 1 and not pieces for records, pieces in parsed):
            raise ValueError("these are no records")
        self._check(known, digest)
        own = _Append([records[0] for records, _ in parsed])
        with self._queueing:
            self._queue.append(own)
        self._writer.submit(self._write)
        own.done.wait()
        if own.error is not None:
            raise own.error
        return b""

    def _write(self) -> None:
        """Write all that wait; the calls for those find nothing to do then."""
        with self._queueing:
            batch, self._queue = self._queue, []
        if not batch:
            return
        error: Exception | None = None
        try:
            self._file.append_logs([record for one in batch for record in one.records])
        except Exception as failure:  # noqa: BLE001 - it is raised in each thread that waits
            error = failure
        for one in batch:
            one.error = error
            one.done.set()

    def _look(self) -> None:
        with self._reading:
            new = self._file.read_logs(len(self._lines))
            self._lines += [dump(record).rstrip(b"\n") for record in new]

    def _check(self, known: int, digest: str) -> None:
        if known >= len(self._lines):
            self._look()
        if known >= 0 and (known >= len(self._lines) or _digest(self._lines[known]) != digest):
            raise OtherJournalError


class _Append:
    def __init__(self, records: list[dict[str, Any]]) -> None:
        self.records, self.done = records, threading.Event()
        self.error: Exception | None = None


def handler(service: JournalService) -> Any:
    """Return what a gRPC server needs to answer the requests."""
    import grpc

    def answered(method: Callable[[bytes], bytes]) -> Any:
        def answer(request: bytes, context: Any) -> bytes:
            try:
                return method(request)
            except (OtherJournalError, StorageLostError) as error:
                context.abort(grpc.StatusCode.DATA_LOSS, str(error))
            except OSError as error:
                context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
            except ValueError as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise AssertionError  # `abort` has raised

        return grpc.unary_unary_rpc_method_handler(answer)

    methods = {"Read": answered(service.read), "Append": answered(service.append)}
    return grpc.method_handlers_generic_handler(SERVICE, methods)


def _request(known: Known, begin: int) -> bytes:
    return json.dumps([known.number, _digest(known.line), begin]).encode()


def _parsed(request: bytes) -> tuple[int, str, int]:
    number, digest, begin = json.loads(request)
    if not (type(number) is type(begin) is int and isinstance(digest, str) and begin >= 0):
        raise ValueError("this is no request")
    return number, digest, begin


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
