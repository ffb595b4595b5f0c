from docs.hooks.comments import read

FILE = """\
# @package _global_
# What the option is for;
# in two lines.
defaults: [_base]
trainer:
  # Passes over
  # the events.
  max_epochs: 10
  pair: [1, 2] # of numbers
data:
  n: # of each split
    train: 8
    val: 2
  folder: "${a}/\\
    b"
  bare: 1
hydra:
  run: {dir: .}
"""


def option(tmp_path, text, place="experiment/mine.yaml", group=""):
    file = tmp_path / place
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return read(file, tmp_path, group)


def test_a_key_is_described_by_its_comment_or_that_of_its_mapping(tmp_path):
    keys = {key.name: (key.value, key.text) for key in option(tmp_path, FILE).keys}
    assert keys == {
        "trainer.max_epochs": ("10", "Passes over the events."),
        "trainer.pair": ("[1, 2]", "of numbers"),
        "data.n.train": ("8", "of each split"),
        "data.n.val": ("2", "of each split"),
        "data.folder": ('"${a}/\\ b"', ""),
        "data.bare": ("1", ""),
    }


def test_the_first_comment_describes_the_option_and_no_key(tmp_path):
    found = option(tmp_path, FILE)
    assert (found.group, found.name) == ("experiment", "mine")
    assert found.text == "What the option is for; in two lines."
    assert found.body.startswith("trainer:\n")
    assert "hydra" not in found.body


def test_keys_begin_with_the_group_or_the_package_of_the_file(tmp_path):
    found = option(tmp_path, "# A.\nlr: 1\n", "pruner/b.yaml", "hydra/sweeper")
    assert found.keys[0].name == "hydra.sweeper.pruner.lr"
    found = option(tmp_path, "# @package a.b\n# A.\nlr: 1\n", "space/b.yaml")
    assert (found.group, found.keys[0].name) == ("space", "a.b.lr")


def test_an_option_may_have_no_key(tmp_path):
    assert option(tmp_path, "# Nothing.\n{}\n").keys == ()
