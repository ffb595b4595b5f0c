import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hpo.search.space import Space
from hpo.study.sources import check_directions, column_of, read_storage, split, value_today


def test_what_follows_two_colons_is_a_name_unless_it_is_a_part_of_an_address():
    assert split("old/journal.log") == ("old/journal.log", None)
    assert split("redis://host:1/0::s") == ("redis://host:1/0", "s")
    assert split("redis://[::1]:1/0") == ("redis://[::1]:1/0", None)
    assert split("redis://[::1]:1/0::s") == ("redis://[::1]:1/0", "s")


def test_the_column_of_a_key_is_the_key_or_its_last_part():
    assert column_of("+optimizer.lr", ["lr", "optimizer.lr"]) == "optimizer.lr"
    assert column_of("optimizer.lr", ["lr"]) == "lr"
    with pytest.raises(ValueError, match=r"no column optimizer\.lr or lr"):
        column_of("optimizer.lr", ["units"])


@pytest.fixture
def url(tmp_path):
    """A database with the studies a, of one objective, and b, of two."""
    url = f"sqlite:///{tmp_path}/old.db"
    optuna.create_study(storage=url, study_name="a")
    optuna.create_study(storage=url, study_name="b", directions=["minimize", "maximize"])
    return url


def test_studies_that_do_not_fit_are_left_out_if_one_does(url):
    def read(study):
        check_directions(study, ["minimize"])
        return [study.study_name]

    assert read_storage(url, None, read) == ["a"]
    with pytest.raises(ValueError, match="study 'b': its direction is minimize, maximize, not mi"):
        read_storage(url, "b", read)
    with pytest.raises(ValueError, match="study=c: the storage has a, b"):
        read_storage(url, "c", read)
    with pytest.raises(ValueError, match="no such file"):
        read_storage(f"{url}x", None, read)


def test_a_value_is_stored_as_today_and_lies_inside():
    choices = CategoricalDistribution([True, 1, "1"])
    space = Space({"x": FloatDistribution(0, 1), "n": IntDistribution(0, 9), "c": choices})
    given = [("x", 1), ("n", 3.0), ("c", "1"), ("c", "true"), ("c", 1)]
    found = [value_today(space, key, value) for key, value in given]
    assert [(type(v), v) for v in found] == [
        (float, 1.0), (int, 3), (str, "1"), (bool, True), (int, 1)
    ]  # fmt: skip
    for key, value in [("x", 2.0), ("n", 3.5), ("c", "adam"), ("c", 2)]:
        with pytest.raises(ValueError):  # noqa: PT011 - callers say what it means
            value_today(space, key, value)
