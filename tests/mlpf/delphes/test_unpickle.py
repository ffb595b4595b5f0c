from __future__ import annotations

import contextlib
import io
import operator
import os
import pickle
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpf.delphes import unpickle
from mlpf.delphes.unpickle import DamagedPickle, RefusedPickle, loads

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Calls:
    """Pickles as a call of `function` with `args`."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f8", "i8", "u1", "?"])
def test_arrays_of_numbers_are_read_at_every_protocol(protocol, dtype):
    arrays = [
        np.arange(6).reshape(3, 2).astype(dtype),
        np.asfortranarray(np.eye(3, 2, dtype=dtype)),
    ]
    arrays.append(np.zeros((0, 12), dtype))
    read = loads(pickle.dumps({"X": arrays, "n": 3, "name": "tt"}, protocol=protocol))
    assert (read["n"], read["name"]) == (3, "tt")
    for array, original in zip(read["X"], arrays, strict=True):
        np.testing.assert_array_equal(array, original, strict=True)


def test_numpy_scalars_are_numbers():
    assert loads(pickle.dumps([np.float32(2.5), np.int64(3)])) == [2.5, 3]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_names_of_the_other_numpy_generation_are_accepted(protocol):
    data = pickle.dumps([np.eye(2)], protocol=protocol)
    for here, there in ((b"numpy._core", b"numpy.core"), (b"numpy.core", b"numpy._core")):
        if protocol < 4 and here in data:  # later protocols store the length of the name
            np.testing.assert_array_equal(loads(data.replace(here, there))[0], np.eye(2))
    short = data.replace(b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray")
    if protocol == 4:  # one frame, whose length changes too
        length = struct.pack("<Q", struct.unpack("<Q", data[3:11])[0] - 1)
        assert short != data
        np.testing.assert_array_equal(loads(data[:3] + length + short[11:])[0], np.eye(2))


def test_protocol_2_of_python_2_with_arrays_as_strings_is_read():
    data = (
        b"\x80\x02}U\x01X]cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x01\x85cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\x00tb\x89U\x08\x00\x00\x00\x00\x00\x00\xf0?tbas."
    )
    assert loads(data)["X"][0].tolist() == [1.0]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("function", "args", "name"),
    [
        (os.system, ("touch {}",), "posix.system"),
        (eval, ("open('{}', 'w')",), "__builtin__.eval|builtins.eval"),
        (exec, ("open('{}', 'w')",), "__builtin__.exec|builtins.exec"),
        (open, ("{}", "w"), "io.open|_io.open|__builtin__.open"),
        (subprocess.Popen, (["touch", "{}"],), "subprocess.Popen|commands.Popen"),
        (getattr, (os, "system"), "getattr|posix|os"),
        (operator.attrgetter, ("system",), "operator.attrgetter|copy_reg|copyreg"),
        (np.load, ("{}", None, True), "numpy.load"),
        (np.fromfile, ("{}",), "numpy.*fromfile"),
        (np.ndarray.tofile, (np.eye(2), "{}"), "getattr"),
    ],
)
def test_a_call_is_refused_by_name_and_not_made(tmp_path, protocol, function, args, name):
    target = tmp_path / "made"
    args = tuple(a.format(target) if isinstance(a, str) else a for a in args)
    try:
        data = pickle.dumps({"X": [Calls(function, *args)]}, protocol=protocol)
    except (TypeError, pickle.PicklingError):  # a module as an argument: by hand
        data = b"c__builtin__\ngetattr\n(cos\nsystem\nVx\ntR."
    with pytest.raises(RefusedPickle, match=name):
        loads(data)
    assert not target.exists()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\x80\x02\x82\x01.", "opcode EXT1"),
        (b"\x80\x02\x84\x01\x00\x00\x00.", "opcode EXT4"),
        (b"Pstorage\n.", "opcode PERSID"),
        (b"\x80\x02K\x01Q.", "opcode BINPERSID"),
        (b"(iposix\nsystem\n.", "opcode INST"),
        (b"(cposix\nsystem\nVls\no.", "opcode OBJ"),
        (b"\x80\x02cnumpy\nndarray\n)\x81.", "opcode NEWOBJ"),
        (b"\x80\x05\x97.", "opcode NEXT_BUFFER"),
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93.", "posix.system"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.", "numpy.ndarray.tofile"),
        (b"cnumpy\nndarray\n}b.", "opcode BUILD on a name"),
        (b"c_codecs\nencode\n(Vtext\nVrot13\ntR.", "_codecs.encode to 'rot13'"),
        (b"\x80\x02]r\xff\xff\xff\x7f.", "LONG_BINPUT with index 2147483647"),
    ],
)
def test_opcodes_beyond_plain_data_are_refused_by_name(data, name):
    with pytest.raises(RefusedPickle, match=name):
        loads(data)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_array_of_objects_is_refused_without_making_the_objects(tmp_path, protocol):
    target = tmp_path / "made"
    objects = np.array([1, Calls(open, str(target), "w")], dtype=object)
    with pytest.raises(RefusedPickle):
        loads(pickle.dumps(objects, protocol=protocol))
    assert not target.exists()
    with pytest.raises(RefusedPickle, match="dtype 'O8'"):
        loads(pickle.dumps(np.array([1, 2], dtype=object), protocol=protocol))


@pytest.mark.parametrize("dtype", ["S4", "U4", "M8[s]", "f4,i4", "c8", "V8"])
def test_arrays_of_other_types_are_refused(dtype):
    with pytest.raises((RefusedPickle, DamagedPickle)):
        loads(pickle.dumps(np.zeros(3, dtype)))


def array_pickle(shape: bytes, n_bytes: int) -> bytes:
    """A float64 array that claims a shape, given as opcodes, and brings `n_bytes` bytes."""
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
    minus_1 = b"J\xff\xff\xff\xff"
    dtype = b"cnumpy\ndtype\nX\x02\x00\x00\x00f8K\x00K\x01\x87R"
    dtype += b"(K\x03X\x01\x00\x00\x00<NNN" + 2 * minus_1 + b"K\x00tb"
    data = b"B" + struct.pack("<I", n_bytes) + bytes(n_bytes)
    return b"\x80\x03" + array + b"(K\x01" + shape + dtype + b"\x89" + data + b"tb."


def test_an_array_is_never_larger_than_its_bytes():
    assert loads(array_pickle(b"K\x02\x85", 16)).tolist() == [0, 0]
    for shape in (
        b"J\xff\xff\xff\x7f\x85",
        b"J\xff\xff\xff\xff\x85",
        b"\x8a\x08" + b"\xff" * 7 + b"\x7f\x85",
        b"]",
    ):
        with pytest.raises(DamagedPickle):
            loads(array_pickle(shape, 16))


def test_a_length_beyond_the_end_is_damage():
    for data in (b"\x80\x04B\xff\xff\xff\x7fabc.", b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7fabc."):
        with pytest.raises(DamagedPickle, match="truncated"):
            loads(data)


def test_tuples_too_deep_to_be_a_key_are_damage():
    nested = b")" + b"\x85" * 1_000_000
    with pytest.raises(DamagedPickle, match="more than 50000 tuples"):
        loads(b"\x80\x02}" + nested + b"K\x01s.")


def test_a_set_is_refused():
    for protocol in PROTOCOLS:
        with pytest.raises(RefusedPickle, match=r"set|EMPTY_SET"):
            loads(pickle.dumps({1, 2}, protocol=protocol))


@pytest.mark.parametrize("change", [1, -20])
def test_a_frame_that_ends_within_an_opcode_is_damage(change):
    data = bytearray(pickle.dumps({"X": [np.eye(3)]}, protocol=4))
    assert data[2:3] == pickle.FRAME
    (length,) = struct.unpack("<Q", data[3:11])
    data[3:11] = struct.pack("<Q", length + change)
    with pytest.raises(DamagedPickle):
        loads(bytes(data))


def test_opcodes_cannot_be_hidden_behind_the_end_of_a_frame():
    # To pickletools the byte string covers the rest; the unpickler would drop the 3 bytes that
    # the frame has left, read 5 others for it, and then run what is hidden after them.
    hidden = b"cposix\nsystem\n."
    data = b"\x80\x04\x95" + struct.pack("<Q", 5) + b"C\x20" + b"abc" + b"x" * 29 + hidden
    with pytest.raises(DamagedPickle, match="wrong frame length"):
        loads(data)


def test_a_list_that_holds_itself_does_no_harm():
    nested = []
    nested.append(nested)
    read = loads(pickle.dumps({"X": nested}))
    assert read["X"][0] is not None


def test_every_truncation_is_damage():
    data = pickle.dumps({"X": [np.eye(3)]}, protocol=4)
    for n in range(len(data)):
        with pytest.raises(DamagedPickle):
            loads(data[:n])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_random_changes_never_raise_anything_else(data):
    original = pickle.dumps({"X": [np.eye(3, dtype="f4")]}, protocol=data.draw(st.integers(0, 5)))
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RefusedPickle, DamagedPickle):
        loads(bytes(changed))


def test_what_is_accepted_equals_what_pickle_reads():
    content = {
        "X": [np.random.default_rng(1).random((4, 12))],
        "note": "ü",
        "list": [1, 2.5, None],
    }
    read, expected = loads(pickle.dumps(content)), pickle.load(io.BytesIO(pickle.dumps(content)))
    np.testing.assert_array_equal(read["X"][0], expected["X"][0])
    assert {**read, "X": 0} == {**expected, "X": 0}


def test_a_pickle_opened_by_mistake_is_named_damaged(tmp_path: Path):
    with pytest.raises(DamagedPickle, match="not a pickle"):
        loads(b"\xffhello")


def test_a_pickle_of_millions_of_opcodes_is_damage_before_anything_is_built(monkeypatch):
    monkeypatch.setattr(unpickle, "MAX_OPCODES", 1000)
    monkeypatch.setattr(unpickle, "_Unpickler", None)
    bomb = b"]" * 5000 + b"a" * 4999 + b"."
    with pytest.raises(DamagedPickle, match="more than 1000 opcodes"):
        loads(bomb)
