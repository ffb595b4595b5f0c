import pytest

from hpo.launch.slurm.options import Shape, SlurmOptions

JURECA = {"whole_nodes": True, "gpus_per_node": 4}


@pytest.mark.parametrize(
    ("settings", "shape", "n_workers"),
    [
        ({}, Shape(1, 1, 1), 1),
        ({"gpus_per_trial": 0}, Shape(1, 1, 1), 1),
        ({"gpus_per_trial": 2}, Shape(1, 2, 2), 1),
        ({"gpus_per_trial": 8, "gpus_per_node": 4}, Shape(2, 4, 8), 1),
        (JURECA, Shape(1, 4, 1), 4),
        ({**JURECA, "gpus_per_trial": 2}, Shape(1, 4, 2), 2),
        ({**JURECA, "gpus_per_trial": 4}, Shape(1, 4, 4), 1),
        ({**JURECA, "gpus_per_trial": 8}, Shape(2, 4, 8), 1),
        ({**JURECA, "tasks_per_node": 8}, Shape(1, 8, 1), 8),
    ],
)
def test_an_element_has_a_task_per_rank_and_whole_nodes_are_packed(settings, shape, n_workers):
    assert SlurmOptions(**settings).shape == shape
    assert shape.n_workers == n_workers


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"needs_account": True}, r"account is missing"),
        ({"needs_account": True, "account": ""}, "SBATCH_ACCOUNT"),
        ({"timeout_min": 0}, r"timeout_min must be >= 1, got 0"),
        ({"gpus_per_trial": -1}, r"gpus_per_trial must be >= 0"),
        ({"gpus_per_trial": {1: 1}}, r"beginning with step 0, got \{1: 1\}"),
        ({"gpus_per_trial": {0: 1, "a": 2}}, "beginning with step 0"),
        ({"gpus_per_trial": {0: 1, 3: 0}}, "with at least 1 GPU"),
        ({"gpus_per_trial": "two"}, "GPUs by steps done such as"),
        ({**JURECA, "gpus_per_trial": {0: 1, 3: 6}}, r"gpus_per_trial=6 does not fit"),
        ({**JURECA, "gpus_per_trial": 3}, r"gpus_per_trial=3 does not fit nodes with 4"),
        ({**JURECA, "gpus_per_trial": 6}, r"gpus_per_trial=6 does not fit"),
        ({"gpus_per_node": 4, "gpus_per_trial": 6}, "does not fit"),
        ({"whole_nodes": True}, r"whole_nodes needs gpus_per_node"),
        ({"gpus_per_node": 0}, "must be >= 1, got 0; without GPUs: gpus_per_trial=0"),
        ({"gpus_per_trial": 2, "tasks_per_node": 3}, r"tasks_per_node=3"),
        ({"gpu_option": "gpu"}, "gres or gpus-per-node, got gpu"),
        ({"account": "a\n#SBATCH --qos=b"}, r"account: a line break is not allowed"),
        ({"sbatch": {"mail-user": "a\nrm -rf b"}}, r"sbatch: a line break is not allowed"),
        ({"sbatch": {"nice\nrm -rf b": 1}}, r"sbatch: .* is not the name of an option"),
        ({"srun_args": ["--label\nrm"]}, r"srun_args: a line break is not allowed"),
        (
            {"setup": ["export HF_TOKEN=abc"]},
            r"setup: the value of HF_TOKEN would stand in",
        ),
        ({"setup": ["true; DB_PASSWORD='abc' srun x"]}, r"setup: the value of DB_PASSWORD would"),
        ({"setup": ["module load a", "true\x1b[2J"]}, r"setup: a line break is not allowed"),
        ({"teardown": ["a\nb"]}, r"teardown: a line break is not allowed"),
        ({"python": ["a\rb"]}, r"python: a line break is not allowed"),
        ({"max_workers": 0}, r"max_workers must be >= 1, got 0"),
    ],
)
def test_settings_that_cannot_work_are_named_before_anything_is_submitted(settings, message):
    with pytest.raises(ValueError, match=message):
        SlurmOptions(**settings)


def test_gpus_by_steps_begin_with_those_of_step_0():
    options = SlurmOptions(**JURECA, gpus_per_trial={0: 2, 3: 4, 9: 8})
    assert options.growth.sizes == [2, 4, 8]
    assert options.gpus_per_trial == 2
    assert options.shape == Shape(1, 4, 2)
    assert SlurmOptions(gpus_per_trial=2).growth is None
