"""Where the process from which workers are forked must not fork."""

from hpo.launch import fork_server as module
from hpo.launch.fork_server import may_fork


def test_a_process_with_a_gpu_or_a_thread_is_not_forked(tmp_path, monkeypatch):
    monkeypatch.setattr(module.threading, "active_count", lambda: 1)
    assert may_fork(1000)
    assert not may_fork(0)  # there are threads of a library
    monkeypatch.setattr(module, "_DEVICES", (str(tmp_path / "nvidia"),))
    with (tmp_path / "nvidia0").open("w"):
        assert not may_fork(1000)
    assert may_fork(1000)
    monkeypatch.setattr(module.threading, "active_count", lambda: 2)
    assert not may_fork(1000)
