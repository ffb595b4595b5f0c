"""Read a pickle as data: numpy arrays, dict, list, tuple, str and numbers, and no code.

Unpickling normally calls any function that the file names. Two independent checks prevent this.
First, before anything is executed, the opcodes are checked: those that make arbitrary objects and
memo indices that would allocate without bound are refused. Second, each name that the pickle looks
up must be in a short list, and a stand-in of ours replaces it. So the file never reaches code of
numpy or the standard library: an array is rebuilt from its bytes by `numpy.frombuffer` alone.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlpf.delphes.damage import DamagedFile


class RefusedPickle(ValueError):
    """The pickle contains something that is not plain data; the message names it."""


class DamagedPickle(DamagedFile):
    """The pickle is truncated, or its content is not a valid array."""


# Opcodes by which a pickle makes objects beyond data, fetches things from outside, or reaches
# the extension registry. Names (GLOBAL, STACK_GLOBAL) are left to `_Unpickler.find_class`.
_REFUSED_OPCODES: Final = (
    {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX"}
    | {"PERSID", "BINPERSID", "NEXT_BUFFER", "READONLY_BUFFER"}
    | {"EXT1", "EXT2", "EXT4"}
    | {"EMPTY_SET", "ADDITEMS", "FROZENSET"}
)
_PUTS: Final = {"PUT", "BINPUT", "LONG_BINPUT"}
_TUPLES: Final = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
# Tuples nested more than 100 000 deep overflow the stack of the interpreter when they are hashed,
# as keys are. An event takes 12 tuples side by side, so this allows 4000 events per file.
MAX_TUPLES: Final = 50_000
MAX_OPCODES: Final = 1_000_000  # an event takes about 70; each may make an object of 100 bytes


def loads(data: bytes) -> Any:
    """Return the object pickled in `data`.

    Accepts protocols 0 to 5, numpy before and after version 2, and protocol 2 of Python 2.

    Raises:
        RefusedPickle: the pickle names a function or class other than those of numpy arrays, or
            uses an opcode that plain data do not need.
        DamagedPickle: the pickle is cut off or malformed, or an array is not numeric.
    """
    _check_opcodes(data)
    try:
        return _plain(_Unpickler(io.BytesIO(data), encoding="latin1").load())
    except RefusedPickle:
        raise
    except Exception as error:  # what a malformed stream raises is open-ended
        raise DamagedPickle(f"{type(error).__name__}: {error}") from error


def _check_opcodes(data: bytes) -> None:
    n_stored, n_tuples = 0, 0
    for n_opcodes, (name, argument) in enumerate(_opcodes(data), 1):
        if n_opcodes > MAX_OPCODES:
            raise DamagedPickle(f"more than {MAX_OPCODES} opcodes")
        if name in _REFUSED_OPCODES:
            raise RefusedPickle(f"opcode {name}")
        if name in _PUTS:
            # The C unpickler allocates a table as long as the largest index.
            if int(argument) > n_stored + 1:
                raise RefusedPickle(f"opcode {name} with index {argument}")
            n_stored += 1
        n_tuples += name in _TUPLES
        if n_tuples > MAX_TUPLES:
            raise DamagedPickle(f"more than {MAX_TUPLES} tuples")


def _opcodes(data: bytes) -> Iterator[tuple[str, Any]]:
    """Yield names and arguments of the opcodes, which must not cross the end of their frame.

    At such a crossing the unpickler would drop the rest of the frame and read other opcodes than
    those seen here.
    """
    previous, frame_end = 0, 0
    try:
        for opcode, argument, position in pickletools.genops(data):
            at = position or 0
            if previous < frame_end < at or (opcode.name == "FRAME" and at < frame_end):
                raise ValueError("wrong frame length")
            if opcode.name == "FRAME":
                frame_end = at + 9 + int(argument or 0)  # 9: the opcode with its argument
            previous = at
            yield opcode.name, argument
    except Exception as error:  # its decoders raise errors of many kinds
        raise DamagedPickle(f"truncated or not a pickle ({error})") from error


class _Global:
    """What a permitted name stands for: callable as the pickle expects, and unchangeable."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *args: Any) -> Any:
        return self._call(*args)

    def __setstate__(self, state: object) -> None:  # opcode BUILD on the name itself
        raise RefusedPickle("opcode BUILD on a name")


class _Dtype:
    """A numeric dtype under construction: the pickle sets the byte order afterwards."""

    __slots__ = ("value",)

    def __init__(self, code: str, *_: object) -> None:
        self.value = np.dtype(str(code))
        if self.value.kind not in "fiub":
            raise RefusedPickle(f"array of dtype {code!r}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.value = self.value.newbyteorder(state[1])


class _Array:
    """An array under construction: the pickle sets shape, type and bytes afterwards."""

    __slots__ = ("value",)

    def __init__(self, *_: object) -> None:
        self.value: NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, is_fortran, data = state
        self.value = _from_buffer(data, dtype, shape, "F" if is_fortran else "C").value


def _from_buffer(data: object, dtype: object, shape: object, order: str = "C") -> _Array:
    if isinstance(data, list):  # how numpy pickles an array of objects
        raise RefusedPickle("array of objects")
    if not (isinstance(dtype, _Dtype) and isinstance(shape, tuple)):
        raise TypeError("an array needs a dtype and a shape")
    if not isinstance(data, bytes | bytearray | str):
        raise TypeError(f"array data of type {type(data).__name__}")
    raw = _encode(data) if isinstance(data, str) else bytes(data)
    if any(not isinstance(n, int) or n < 0 for n in shape):
        raise ValueError(f"array of shape {shape}")
    array = _Array()
    flat = np.frombuffer(raw, dtype.value)
    array.value = flat.reshape(shape, order="F" if order == "F" else "C")
    return array


def _scalar(dtype: object, data: object) -> Any:
    array = _from_buffer(data, dtype, (1,)).value
    return None if array is None else array[0].item()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise RefusedPickle(f"_codecs.encode to {encoding!r}")
    return text.encode("latin1")


_CORES: Final = ("numpy.core", "numpy._core")  # numpy < 2, numpy >= 2
_PERMITTED: Final[dict[tuple[str, str], _Global]] = {
    ("_codecs", "encode"): _Global(_encode),  # bytes in protocols 0 to 2
    ("__builtin__", "bytes"): _Global(lambda: b""),  # an empty array there
    ("numpy", "ndarray"): _Global(_Array),
    ("numpy", "dtype"): _Global(_Dtype),
    **{(f"{core}.multiarray", "_reconstruct"): _Global(_Array) for core in _CORES},
    **{(f"{core}.multiarray", "scalar"): _Global(_scalar) for core in _CORES},
    **{(f"{core}.numeric", "_frombuffer"): _Global(_from_buffer) for core in _CORES},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        try:
            return _PERMITTED[module_name, global_name]
        except KeyError:
            raise RefusedPickle(f"{module_name}.{global_name}") from None


def _plain(value: Any) -> Any:
    """Return `value` with the arrays finished; dict and list are looked into two levels deep.

    Deeper levels are left alone: the published layout has none, and following them could take
    exponential time on a pickle that refers to its own parts.
    """
    if isinstance(value, dict):
        return {key: _finished_list(item) for key, item in value.items()}
    return _finished_list(value)


def _finished_list(value: Any) -> Any:
    return [_finished(item) for item in value] if isinstance(value, list) else _finished(value)


def _finished(value: Any) -> Any:
    return value.value if isinstance(value, _Array) else value
