from docs.hooks.docstrings import markdown


def test_doctests_become_blocks_of_code_and_the_text_around_them_stays():
    docstring = "Add.\n\n>>> f(1)\n2\n>>> for i in a:\n...     i\n3\n\nMore [1](2).\n"
    assert markdown(docstring) == (
        "Add.\n\n```pycon\n>>> f(1)\n2\n>>> for i in a:\n...     i\n3\n```\n\nMore [1](2).\n"
    )


def test_an_example_is_under_the_heading_that_griffe_knows():
    docstring = "Add.\n\nExample:\n    >>> f(1)\n    2\n"
    assert markdown(docstring) == "Add.\n\nExamples:\n    >>> f(1)\n    2\n"


def test_sources_become_a_list():
    assert markdown("See [Doe]_.\n\n.. [Doe] J. Doe.") == "See [Doe].\n\n- [Doe] J. Doe."
