"""Optuna is imported without redis and tqdm, which are there when they are used."""

import subprocess
import sys

import pytest


def run(code):
    subprocess.run([sys.executable, "-c", code], check=True)


def test_redis_is_imported_when_it_is_used_and_not_before():
    pytest.importorskip("redis")
    run(
        "import sys; from commons.optuna_start import import_optuna; import_optuna()\n"
        "assert 'optuna' in sys.modules and 'redis' not in sys.modules\n"
        "from optuna.storages.journal import _redis\n"
        "client = _redis.redis.Redis\n"
        "import redis; assert client is redis.Redis and 'redis.client' in sys.modules"
    )


def test_optuna_says_that_redis_is_missing_as_before():
    run(
        "import sys; sys.modules['redis'] = None\n"
        "from commons.optuna_start import import_optuna; import_optuna()\n"
        "from optuna.storages.journal import JournalRedisBackend\n"
        "try: JournalRedisBackend('redis://localhost')\n"
        "except ImportError as error: assert 'redis' in str(error)\n"
        "else: raise AssertionError"
    )


def test_redis_that_is_imported_already_stays_as_it_is():
    pytest.importorskip("redis")
    run(
        "import sys, redis; from commons.optuna_start import import_optuna; import_optuna()\n"
        "assert sys.modules['redis'] is redis"
    )


def test_who_uses_redis_while_optuna_is_imported_gets_an_ordinary_error():
    pytest.importorskip("redis")
    run(
        "import sys; from commons import optuna_start as start\n"
        "sys.modules['redis'] = stand_in = start._StandIn('redis')\n"
        "assert not hasattr(stand_in, 'Redis')\n"
        "del sys.modules['redis']; assert stand_in.Redis.__name__ == 'Redis'"
    )


def test_the_progress_bar_is_imported_when_it_is_shown_and_not_before():
    run(
        "import sys; from commons.optuna_start import import_optuna; import_optuna()\n"
        "assert not {'tqdm', 'tqdm.auto', 'asyncio'} & sys.modules.keys()\n"
        "import optuna; from optuna import progress_bar\n"
        "optuna.create_study().optimize(lambda _: 0.0, n_trials=2, show_progress_bar=True)\n"
        "import tqdm.auto; assert progress_bar.tqdm.write == tqdm.auto.tqdm.write"
    )


def test_a_progress_bar_that_is_imported_already_stays_as_it_is():
    run(
        "import tqdm.auto; from commons.optuna_start import import_optuna; import_optuna()\n"
        "from optuna import progress_bar; assert progress_bar.tqdm is tqdm.auto.tqdm"
    )
