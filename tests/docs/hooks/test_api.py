from importlib import import_module

import pytest

from docs.hooks import api


@pytest.mark.parametrize("package", api.PACKAGES)
def test_the_page_has_every_public_name_and_no_other(package):
    module = import_module(package)
    assert set(api.names(package)) == set(module.__all__)
    page = api.text()
    for name, place in api.names(package).items():
        assert f"::: {place}.{name}\n    options: {{heading: {package}.{name}," in page
        assert getattr(import_module(place), name) is getattr(module, name)
