"""Keys are dotted; what cannot be looked into is a key without further ones."""

from omegaconf import OmegaConf

from commons.keys import keys_of


def test_keys_are_dotted_and_those_of_hydra_are_left_out():
    values = {"a": {"b": {"c": 1}, "d": "${a.b}"}, "hydra": {"x": 1}, "hydrant": None, "e": "???"}
    assert keys_of(OmegaConf.create(values)) == ["a", "a.b", "a.b.c", "a.d", "hydrant", "e"]
