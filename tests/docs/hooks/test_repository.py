import pytest

from docs.hooks.repository import ROOT, content, linked, origin, redirected

SCHEME = "conf/optimizer/adam.yaml"


@pytest.mark.parametrize(
    ("link", "leads_to"),
    [
        ("../../benchmarks/results/chaos.json", "../repository/benchmarks/results/chaos.json"),
        (f"../../{SCHEME}", f"../repository/{SCHEME}.md"),
        ("../../CHANGELOG.md#0", "../repository/CHANGELOG.md#0"),
        ("../../examples", "../repository/examples.md"),
        ("sites", "../repository/docs/howto/sites.md"),
        ("../results/index.md", "../results/index.md"),
        ("join.md#recipes", "join.md#recipes"),
        ("https://example.org/a.md", "https://example.org/a.md"),
        ("../../no_such_file.json", "../../no_such_file.json"),
        ("../../../outside", "../../../outside"),
    ],
)
def test_a_link_to_a_file_of_the_repository_leads_into_the_site(link, leads_to):
    assert redirected("howto/slurm.md", f"see [it]({link}).") == f"see [it]({leads_to})."


def test_a_page_from_outside_of_docs_links_from_its_own_place():
    text = redirected("repository/CHANGELOG.md", "[sweeps](docs/howto/sweeps.md#budgets)")
    assert text == "[sweeps](../howto/sweeps.md#budgets)"
    assert origin("repository/examples/README.md") == "examples/README.md"


def test_the_files_that_a_page_links_to_are_found():
    text = f"[a](../{SCHEME}) [b](limits.md) [c](https://example.org) [d](../nothing.json)"
    assert linked("docs/index.md", text) == {f"repository/{SCHEME}.md": ROOT / SCHEME}


def test_code_becomes_a_page_a_folder_a_page_of_its_files_and_figures_are_copied():
    code = content(ROOT / SCHEME)
    assert f"# `{SCHEME}`" in code
    assert "````yaml\n# Adam" in code
    folder = content(ROOT / "docs/howto/sites")
    assert "## `jureca.sh`\n\n````bash\n#!/bin/bash" in folder
    picture = ROOT / "benchmarks/results/chaos.json"
    assert content(picture) == picture.read_bytes()
    assert content(ROOT / "CHANGELOG.md").startswith("# Changelog")
