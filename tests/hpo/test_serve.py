import signal
import subprocess
import sys

import pytest

from hpo.serve import Settings, main, serving
from hpo.storage.opening import open_storage
from testbed.processes import free_ports


def test_the_command_serves_until_a_signal_comes(tmp_path):
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "hpo.serve", "storage=study.log", f"port={port}"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == f"serving study.log at 127.0.0.1:{port}\n"
            storage = open_storage(f"grpc://127.0.0.1:{port}", tmp_path)
            storage.create_new_study([1], "s")
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    assert open_storage(tmp_path / "study.log", tmp_path) is not None
    assert b'"study_name":"s"' in (tmp_path / "study.log").read_bytes()


def test_a_database_is_served_by_optunas_protocol(tmp_path):
    (port,) = free_ports(1)
    with serving(Settings(f"sqlite:///{tmp_path}/s.db", port, "127.0.0.1")):
        storage = open_storage(f"grpc://127.0.0.1:{port}", tmp_path)
        storage.create_new_study([1], "s")
        assert storage.get_study_id_from_name("s") == 1
        storage.close()


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["storage=/dev/null"], 1, "is no ordinary file"),
        (["storage=x.log", "port=many"], 2, "port"),
        (["prot=1", "storage=x.log"], 2, "prot"),
        ([], 2, ""),
    ],
)
def test_a_mistake_is_one_line(arguments, code, text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == code
    assert text in capsys.readouterr().err


def test_a_port_that_is_taken_is_one_line(capsys, tmp_path):
    (port,) = free_ports(1)
    with serving(Settings(str(tmp_path / "a.log"), port, "127.0.0.1")):
        assert main([f"storage={tmp_path / 'b.log'}", f"port={port}", "host=127.0.0.1"]) == 1
    assert str(port) in capsys.readouterr().err
