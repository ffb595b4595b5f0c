import pytest
import submitit

from tests.canary import missing

NEEDS = [
    "submitit:SlurmExecutor(folder, python)",
    "submitit:SlurmExecutor.affinity()",
    "submitit:SlurmExecutor.map_array(fn)",
    "submitit:SlurmExecutor.update_parameters(kwargs)",
    "submitit:SlurmExecutor._make_submission_file_text(command, uid)",
    "submitit.core.utils:FailedJobError",
    "submitit.core.utils:environment_variables()",
    "executor._submitit_command_str",
    "executor.parameters",
]


@pytest.fixture
def examples(tmp_path):
    class Executor(submitit.SlurmExecutor):
        @classmethod
        def affinity(cls):
            return 2

    return {"executor": Executor(tmp_path)}


def test_submitit_has_what_we_need_of_its_internals(examples):
    assert missing("submitit", NEEDS, examples) == ""


def test_what_an_upgrade_took_away_is_one_line(examples, monkeypatch):
    monkeypatch.delattr("submitit.core.utils.environment_variables")
    assert missing("submitit", NEEDS, examples) == (
        f"submitit {submitit.__version__} lacks submitit.core.utils:environment_variables()"
    )


@pytest.mark.parametrize(("n_jobs", "array"), [(1, False), (3, True)])
def test_a_script_is_written_without_slurm(tmp_path, monkeypatch, n_jobs, array):
    from hpo.launch.slurm.submitit_internals import Executor

    monkeypatch.setenv("PATH", str(tmp_path))
    executor = Executor(tmp_path)
    executor.update_parameters(time=5)
    script = executor.script(n_jobs)
    assert script.startswith("#!/bin/bash\n")
    assert "#SBATCH --time=5\n" in script
    assert (f"#SBATCH --array=0-{n_jobs - 1}" in script) is array
