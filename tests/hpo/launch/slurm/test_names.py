"""Names of options that would end up in the job script as they are."""

import pytest

from hpo.launch.slurm.names import check_no_secret, check_srun, check_text, sbatch_options
from hpo.settings import SettingError


def test_names_of_options_are_taken_in_their_long_form_and_values_as_they_are():
    given = {"mail-type": "END", "licenses": "a@b", "mail_user": "x", "H": True, "nice": 5}
    assert sbatch_options(given) == {
        "mail-type": "END",
        "licenses": "a@b",
        "mail-user": "x",
        "hold": True,
        "nice": 5,
    }


def test_an_option_that_is_null_or_false_is_not_given_and_zero_is():
    assert sbatch_options({"hold": False, "mail-type": None, "nice": 0}) == {"nice": 0}


@pytest.mark.parametrize(
    "name",
    [
        "nice=5\n#SBATCH --uid",
        "nice\nrm -rf x\n",
        "nice x",
        "nice\tx",
        "--nice",
        "nice=5",
        "Nice",
        "nice;rm",
        "$(rm)",
        "Z",
        "1",
        "-",
        "",
        None,
    ],
)
def test_what_is_no_name_of_an_option_is_refused_in_one_line(name):
    with pytest.raises(SettingError, match=r"^sbatch: .* is not the name of an option") as refused:
        sbatch_options({name: "x"})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("wrap", r"^sbatch: 'wrap' cannot be set: .* setup and teardown$"),
        ("array", r"^sbatch: 'array' cannot be set: .*array_parallelism"),
        ("a", r"^sbatch: 'array' cannot be set"),
        ("output", r"^sbatch: 'output' cannot be set"),
        ("open_mode", r"^sbatch: 'open-mode' cannot be set"),
        ("time", r"^sbatch: 'time' is set by timeout_min$"),
        ("t", r"^sbatch: 'time' is set by timeout_min$"),
        ("ntasks-per-node", r"^sbatch: 'ntasks-per-node' is set by tasks_per_node$"),
        ("no-requeue", r"^sbatch: 'no-requeue' is set by requeue=false$"),
    ],
)
def test_an_option_that_is_ours_is_answered_with_the_setting_that_decides_it(name, answer):
    with pytest.raises(SettingError, match=answer):
        sbatch_options({name: "x"})


def test_options_of_srun_may_have_their_value_apart():
    check_srun(["--mpi=none", "--cpu-bind", "none", "-c", "4", "-c4", "--label", "--nice", "-5"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["rm"],
        ["--mpi=none", "rm"],
        ["--la bel"],
        ["--Label=x"],
        ["---label"],
        ["-"],
        ["--"],
        ["--nice=1\n"],
        ["--output=x"],
        ["-o", "x"],
        ["-ox"],
        ["--multi-prog"],
        ["--ntasks", "4"],
    ],
)
def test_other_words_for_srun_are_refused(arguments):
    with pytest.raises(SettingError, match=r"^srun_args: "):
        check_srun(arguments)


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "\x00", "\x1b[2J", "\x7f", "\x9b2J", "a\tb"])
def test_control_characters_are_refused_and_shown_harmless(text):
    with pytest.raises(SettingError, match=r"^comment: a line break is not allowed") as refused:
        check_text("comment", text)
    assert str(refused.value).isprintable()


def test_text_of_any_language_is_not_refused():
    check_text("comment", "Jülich, 東京; $(x) '#'")


@pytest.mark.parametrize(
    "line",
    ["export HF_TOKEN=$(cat ~/.token)", "export DB_PASSWORD=$PGPASS", "N_TOKENS=4 true", "KEY=a"],
)
def test_a_line_without_a_secret_may_set_variables(line):
    check_no_secret("setup", line)
