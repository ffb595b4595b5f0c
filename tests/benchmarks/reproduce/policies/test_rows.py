import json
from dataclasses import replace

import pytest

from benchmarks.reproduce.policies import rows
from benchmarks.reproduce.policies.problems import made_up
from benchmarks.reproduce.policies.rows import Job, Store, simulate_missing
from hpo.simulate.campaign import Plan, simulate
from hpo.simulate.cluster import Cluster
from hpo.simulate.draws import Variant
from hpo.simulate.methods import make_method

ASHA = make_method("asha", {"pruner": {"_target_": "hpo.AshaPruner", "min_resource": 1}})
SHA = make_method(
    "sha", {"reference": {"_target_": "hpo.simulate.synchronous.successive_halving"}}
)
SAMPLED = make_method(
    "random", {**ASHA.node, "sampler": {"_target_": "optuna.samplers.RandomSampler"}}
)


def job(method, **changes):
    problem = made_up()[0]
    plan = Plan(
        problem.table,
        orders=range(5, 12),
        seeds=range(3),
        variant=Variant(),
        n_workers=4,
        budget=400.0,
        within=(0.05,),
        start_epochs=0.0,
        resume_epochs=0.5,
        cluster=Cluster(),
    )
    return Job(replace(problem, tolerance=0.05), method, replace(plan, **changes))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "rows.json")


def test_a_row_has_the_sweeps_in_their_order_whatever_the_processes(store, tmp_path):
    asked = [job(ASHA), job(SHA)]
    simulate_missing(asked, store, 2)
    row = store.get(asked[0])
    runs = [simulate(asked[0].plan, ASHA, number).run for number in range(5, 12)]
    assert row.epochs == [run.spent.epochs for run in runs]
    assert row.finals == [run.final for run in runs]
    assert row.duration == [run.timeline.wall_s for run in runs]
    assert row.name == ("slow", "asha", 4)
    sha = store.get(asked[1])
    assert (sha.workers, sha.duration) == (1, None)
    expected = [e + 0.5 * n for e, n in zip(sha.epochs, sha.n_resumed, strict=True)]
    assert sha.cost(0.5).tolist() == expected


def test_a_row_that_is_done_is_not_done_again(store, tmp_path, monkeypatch):
    asked = [job(ASHA)]
    simulate_missing(asked, store, 1)
    again = Store(tmp_path / "rows.json")
    assert again.get(asked[0]) == store.get(asked[0])
    asked_for = []
    monkeypatch.setattr(rows, "run_tasks", lambda function, tasks, **_: asked_for.extend(tasks))
    simulate_missing(asked, again, 1)
    assert asked_for == []


def test_other_settings_policies_or_curves_are_another_row(monkeypatch):
    first = job(ASHA)
    other = make_method("asha", {"pruner": {"_target_": "hpo.AshaPruner", "min_resource": 2}})
    keys = {
        first.key,
        job(other).key,
        job(ASHA, n_workers=1).key,
        job(ASHA, orders=range(6, 13)).key,
        job(ASHA, variant=Variant(pool_size=10)).key,
        job(ASHA, resume_epochs=1.0).key,
        replace(first, problem=replace(first.problem, table=made_up()[1].table)).key,
    }
    assert len(keys) == 7
    assert job(ASHA, budget=9.0, seeds=range(1)).key == first.key  # a pool has neither
    assert job(SAMPLED, orders=range(1)).key == job(SAMPLED).key != job(SAMPLED, budget=9.0).key
    asha, sha = first.key, job(SHA).key
    monkeypatch.setattr(rows, "_code", lambda is_reference: f"{is_reference}")
    assert job(ASHA).key != asha
    assert job(SHA).key != sha


def test_rows_of_an_interrupted_command_are_kept(store, tmp_path):
    bad = make_method("bad", {"pruner": {"_target_": "hpo.NoPruner"}})
    with pytest.raises(ValueError, match="method bad"):
        simulate_missing([job(SHA), job(bad)], store, 1)
    assert Store(tmp_path / "rows.json").get(job(SHA)) is not None


def test_a_row_in_place_of_an_older_one(store, tmp_path):
    for n in (7, 8):
        simulate_missing([job(SHA, orders=range(n))], store, 1)
    store.write({"settings": {"draws": 8}, "pairs": []})
    content = json.loads((tmp_path / "rows.json").read_text())
    assert [len(row["epochs"]) for row in content["rows"]] == [8]
    assert content["settings"] == {"draws": 8}


def test_with_a_sampler_the_epochs_are_those_to_the_tolerance(store):
    asked = job(SAMPLED)
    simulate_missing([asked], store, 1)
    runs = [simulate(asked.plan, SAMPLED, number) for number in range(3)]
    found = [o.run.spent_to(o.reference + 0.05) for o in runs]
    assert store.get(asked).epochs == [None if s is None else s.epochs for s in found]


def test_another_file_is_refused(tmp_path):
    (tmp_path / "rows.json").write_text('{"rows": [{"table": "x"}]}')
    with pytest.raises(ValueError, match=r"rows.json: no results of this command"):
        Store(tmp_path / "rows.json")
