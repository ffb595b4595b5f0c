import numpy as np
import pytest

from commons.cli import UsageError, parse
from hpo.growth import Growth
from hpo.simulate.cluster import Cluster, Duration
from hpo.simulate.gpus import Gpus
from hpo.simulate.settings import Settings


def settings(*arguments):
    return parse(Settings, arguments)


def test_by_default_machines_cost_no_time():
    assert settings().cluster(None) == Cluster()
    assert settings().changed == {}


def test_charges_in_epochs_become_seconds(table):
    cluster = settings("epoch_s=600", "start_epochs=2", "resume_epochs=0.5").cluster(None)
    assert (cluster.epoch_s, cluster.begin_s, cluster.resume_s) == (600, 1200, 300)


def test_the_median_of_a_column_is_what_an_epoch_costs(table):
    timed = table([[1, 1]] * 3)
    object.__setattr__(timed, "epoch_s", np.array([10.0, 30.0, 500.0]))
    given = settings("epoch_s=seconds", "start_epochs=1")
    assert given.epoch_s_column == "seconds"
    assert given.cluster(timed).begin_s == 30
    assert settings("epoch_s=600").epoch_s_column is None


def test_a_worker_queues_again_as_before_by_default():
    given = ["epoch_s=1", "queue_s=[1,2]", "start_s={median: 3, sigma: 1}"]
    cluster = settings(*given).cluster(None)
    assert cluster.queue_s == cluster.requeue_s == Duration((1.0, 2.0))
    assert cluster.start_s == Duration((3.0,), 1.0)
    assert settings(*given, "requeue_s=0").cluster(None).requeue_s == Duration((0.0,))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("queue_s=300", "queue_s=300: set epoch_s=SECONDS"),
        ("preemptions_per_hour=1", "set epoch_s=SECONDS"),
        ("epoch_s=0", "epoch_s=0: expected seconds > 0"),
        ("epoch_s=-5", "expected seconds > 0"),
        ("epoch_s=nan", "expected seconds > 0"),
        ("epoch_s=1 queue_s=-300", "queue_s=-300: expected seconds, a list"),
        ("epoch_s=1 start_s=[]", "start_s="),
        ("epoch_s=1 requeue_s=soon", "requeue_s=soon"),
        ("epoch_s=1 failures_per_hour=-1", "failures_per_hour=-1.0: must be at least 0"),
        ("epoch_s=1 epoch_sigma=-1", "epoch_sigma=-1.0: must be at least 0"),
        ("epoch_s=1 preemptions_per_hour=.inf", "preemptions_per_hour=inf"),
        ("cores_per_worker=0", "cores_per_worker=0.0: must be at least 0.001"),
        ("n_workers=1000000", "must be at most 100000"),
        ("n_workers=0", "n_workers=0: must be at least 1"),
        ("n_gpus=4", "n_gpus=4: set epoch_s=SECONDS"),
        ("epoch_s=1 n_gpus=0", "n_gpus=0: must be at least 1"),
        ("epoch_s=1 n_gpus=1000000", "n_gpus=1000000: must be at most 100000"),
        ("epoch_s=1 gpus_per_trial=2", "gpus_per_trial=2: set n_gpus=N"),
        ("epoch_s=1 gpu_efficiency=0.9", "gpu_efficiency=0.9: set n_gpus=N"),
        ("epoch_s=1 n_gpus=4 gpu_efficiency=1.1", "gpu_efficiency=1.1: must be at most 1"),
        ("epoch_s=1 n_gpus=4 gpu_efficiency=0", "gpu_efficiency=0.0: must be at least 0.001"),
        ("epoch_s=1 n_gpus=4 gpus_per_trial=8", "n_gpus=4: a trial may have 8"),
        ("epoch_s=1 n_gpus=4 gpus_per_trial={9:8}", "gpus_per_trial must be a number, or GPUs by"),
        ("epoch_s=1 n_gpus=4 n_workers=2", "n_workers=2: with n_gpus=... their GPUs are counted"),
        ("epoch_s=1 n_gpus=4 cores_per_worker=2", "cores_per_worker=2.0: with n_gpus="),
    ],
)
def test_a_mistake_names_its_key(arguments, message):
    with pytest.raises(UsageError) as error:
        settings(*arguments.split())
    assert message in str(error.value)


def test_gpus_may_grow_by_epochs_done():
    given = settings("epoch_s=1", "n_gpus=8", "gpus_per_trial={0: 1, 9: 2}", "gpu_efficiency=0.9")
    assert given.gpus == Gpus(8, Growth({0: 1, 9: 2}), 0.9)
    assert settings("epoch_s=1", "n_gpus=8", "gpus_per_trial=4").gpus == Gpus(8, Growth({0: 4}))
    assert settings("epoch_s=1").gpus is None
