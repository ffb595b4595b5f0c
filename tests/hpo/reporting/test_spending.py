from datetime import datetime

import pytest
from optuna.trial import TrialState, create_trial

from hpo.attributes import BEAT, LEASE, LOSSES, WORKER
from hpo.reporting.spending import Cost, cost_of, held, mean_of, workers_of

RECORD = {"start": 1000.0, "end": 4600.0, "busy_s": 1.0, "start_up_s": 360.0}


def running(worker="w/0", held_s=7200.0, lease_id="i", state=TrialState.RUNNING, **more):
    trial = create_trial(
        state=state,
        value=1.0 if state == TrialState.COMPLETE else None,
        system_attrs={
            LEASE: {"id": "i", "host": "h", "pid": 1, "worker": worker},
            BEAT: [lease_id, 3, held_s, 1.0],
        },
        **more,
    )
    trial.datetime_start = datetime.fromtimestamp(1000.0)
    return trial


def test_a_worker_costs_its_cores_and_gpus_from_the_start_of_its_process():
    record = {**RECORD, "cores": 4, "gpus": 0.5, "cpu_s": 7200, "gpu_j": 3.6e6}
    worker = workers_of({WORKER + "w/0": record}, [])["w/0"]
    assert worker.seconds == 3960
    assert worker.cost == Cost(core_h=4.4, gpu_h=0.55, cpu_h=2.0, gpu_kwh=1.0)


def test_a_worker_of_an_older_version_counts_as_one_core():
    assert workers_of({WORKER + "w": RECORD}, [])["w"].cost == Cost(core_h=1.1)


def test_a_worker_that_trains_was_there_until_its_last_heartbeat():
    workers = workers_of({WORKER + "w/0": RECORD, WORKER + "w/1": RECORD}, [running()])
    assert (workers["w/0"].until, workers["w/1"].until) == (8200.0, 4600.0)


def test_a_worker_that_died_was_there_until_its_last_heartbeat():
    loss = {"worker": "w/0", "until": 9000.0, "held_s": 5.0, "lost_s": 5.0}
    trial = running(state=TrialState.COMPLETE, user_attrs={LOSSES: [loss]})
    assert workers_of({WORKER + "w/0": RECORD}, [trial])["w/0"].until == 9000.0


@pytest.mark.parametrize(
    ("trial", "seconds"),
    [
        (running(), 7200.0),
        (running(lease_id="of the owner before"), 0.0),
        (running(state=TrialState.COMPLETE), 0.0),
        (create_trial(state=TrialState.RUNNING), 0.0),
    ],
)
def test_only_the_heartbeat_of_the_present_owner_counts(trial, seconds):
    assert held(trial)[1] == seconds


def test_what_names_no_worker_counts_as_the_mean_of_all():
    records = {WORKER + "a": {**RECORD, "cores": 2, "gpus": 1}, WORKER + "b": RECORD}
    assert mean_of(workers_of(records, [])).occupied(7200) == Cost(core_h=3.0, gpu_h=1.0)
    assert mean_of({}).occupied(3600) == Cost(core_h=1.0)


def test_energy_that_is_not_known_is_not_zero():
    known, unknown = cost_of({"core_s": 3600.0, "cpu_j": 7.2e6}), cost_of({"core_s": 3600.0})
    assert (known + unknown).energy_kwh == 2.0
    assert unknown.energy_kwh is None
    assert str(unknown) == "1 core-hours"
    assert str(known + cost_of({"gpu_s": 1800.0, "gpu_j": 3.6e6})) == (
        "1 core-hours, 0.5 GPU-hours, 3 kWh of processors and GPUs"
    )


def test_a_cost_is_multiplied_and_never_negative():
    cost = Cost(1.0, 2.0, 3.0, None, 4.0, 5)
    assert cost.times(2) == Cost(2.0, 4.0, 6.0, None, 8.0, 10)
    assert cost.times(-1).at_least_nothing() == Cost(gpu_kwh=0.0)
