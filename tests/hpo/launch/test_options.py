import pytest

from hpo.launch.options import LocalOptions
from hpo.settings import SettingError, settings_of


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"max_processes": 0}, "max_processes must be at least 1, got 0"),
        ({"workers_per_gpu": 0}, "workers_per_gpu must be at least 1, got 0"),
        ({"gpus_per_trial": -1}, "gpus_per_trial must be at least 0, got -1"),
        ({"grace_s": "soon"}, "grace_s must be a number, got 'soon'"),
        ({"threads": 2}, "threads: no such setting"),
    ],
)
def test_a_wrong_setting_of_the_local_launcher_is_told_by_its_name(setting, told):
    with pytest.raises(SettingError) as error:
        settings_of(LocalOptions, setting)
    assert str(error.value).startswith(told)
