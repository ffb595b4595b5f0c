import time

import pytest

from commons.clocks import clock_trouble


@pytest.mark.parametrize(
    ("ahead_s", "told"),
    [(600, "600 s ahead of"), (-600, "600 s behind"), (61, "61 s ahead"), (30, None), (-30, None)],
)
def test_a_clock_that_is_off_by_more_than_a_minute_is_told(tmp_path, monkeypatch, ahead_s, told):
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + ahead_s)
    trouble = clock_trouble(tmp_path)
    assert trouble is None if told is None else told in trouble
    assert trouble is None or str(tmp_path) in trouble
    assert not any(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_says_nothing(tmp_path):
    assert clock_trouble(tmp_path / "missing") is None
