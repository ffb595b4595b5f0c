"""Processes by name and from files of Pythia commands, which are data from outside."""

import pytest

from mlpf.generation.processes import choose

HIGGS = """\
! gluon fusion
HiggsSM:gg2H = on
25:onMode = off   ! and one decay
25:onIfMatch = 22 22
Main:numberOfEvents = 1000
Random:seed = 7
Beams:eCM = 14000.
"""


def from_file(tmp_path, text, name="higgs.cmnd"):
    path = tmp_path / name
    path.write_text(text)
    return choose(str(path))


def test_a_file_gives_its_settings_without_those_that_are_decided_here(tmp_path):
    process = from_file(tmp_path, HIGGS)
    assert process.settings == ("HiggsSM:gg2H = on", "25:onMode = off", "25:onIfMatch = 22 22")
    assert process.left_out == (
        "Main:numberOfEvents = 1000",
        "Random:seed = 7",
        "Beams:eCM = 14000.",
    )
    assert process.name.startswith("higgs-")


def test_the_name_is_that_of_the_content(tmp_path):
    process = from_file(tmp_path, HIGGS)
    same = HIGGS.replace("! gluon fusion", "# other words").replace("seed = 7", "seed = 8")
    assert from_file(tmp_path, same).name == process.name
    assert from_file(tmp_path, HIGGS.replace("22 22", "5 -5")).name != process.name


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Beams:eCM = 8000", "Beams:eCM is refused: it changes the beams"),
        ("beams:LHEF = events.lhe", "beams:LHEF is refused: it changes the beams"),
        ("Beams:frameType = 4", "refused"),
        ("Init:plugins = {libmine.so::Mine}", "Init:plugins is refused: it reads other files"),
        ("include = other.cmnd", "'include = other.cmnd' is no setting such as"),
        ("SLHA:file = model.slha", "SLHA:file is refused: it reads other files"),
        ("Vincia:MEplugin = mg5", "refused: it reads other files or loads code"),
        ("PDF:pSet = LHAPDF6:NNPDF31", "PDF:pSet = LHAPDF6:NNPDF31 is refused"),
        ("HIPDF:pSet = 5", "HIPDF:pSet is refused"),
        ("MultipartonInteractions:initFile = x", "refused"),
        ("PhaseSpace:bias2Selection = on", "it gives events a weight, and there are none here"),
        ("HiggsSM:gg2H : on", "is no setting such as 'HiggsSM:gg2H = on'"),
        ("rm -rf /", "'rm -rf /' is no setting"),
    ],
)
def test_a_setting_that_is_refused_is_named_with_its_line(tmp_path, line, message):
    with pytest.raises(ValueError, match=r"^process .*higgs\.cmnd, line 8: ") as caught:
        from_file(tmp_path, HIGGS + line)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_that_only_look_like_refused_ones_are_taken(tmp_path):
    lines = (
        "HiggsBSM:all = on",
        "HiddenValley:ffbar2Zv = on",
        "PDF:pSet = 14",
        "Check:event = on",
    )
    assert from_file(tmp_path, "\n".join(lines)).settings == lines


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe", "it is no text"),
        (b"# nothing\n", "no process is switched on in it"),
        (b"!" * 100_001, "more than 100000 bytes"),
    ],
)
def test_a_file_that_is_no_file_of_commands_is_named(tmp_path, content, message):
    (tmp_path / "a.cmnd").write_bytes(content)
    with pytest.raises(ValueError, match=rf"process .*a\.cmnd: {message}"):
        choose(str(tmp_path / "a.cmnd"))


def test_a_gun_is_described_by_its_settings():
    described = choose("gun", {"pid": 22, "pt": (1, 5)}).described()
    assert described["process"] == "gun"
    expected = {"pid": [22], "number": 1, "eta": [-2.5, 2.5], "pt": [1, 5], "energy": None}
    assert described["gun"] == {**expected, "log": True}
    assert choose("qcd").described() == {"process": "qcd", "gun": None}


@pytest.mark.parametrize(
    ("options", "message"),
    [({"mass": 3}, "^gun: .*'mass'"), ({}, "^gun: missing"), ({"pid": [22]}, r"^gun\.pt")],
)
def test_a_gun_without_its_settings_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        choose("gun", options)
