"""The locator: names, paths, CHIPSIM_PATH, and what a wrong name is told."""

from __future__ import annotations

import os

import pytest

from chipsim import library
from chipsim.errors import SettingError
from chipsim.library import find, names, summary


def refused(kind, name) -> str:
    with pytest.raises(SettingError) as caught:
        find(kind, name)
    return str(caught.value)


def test_shipped_chip_by_name(root):
    assert find("chip", "loihi2") == root / "hw_models" / "loihi2.toml"
    assert {"ideal", "loihi1", "loihi2"} <= set(names("chip"))


def test_inside_the_package_comes_before_beside_it(tmp_path, monkeypatch):
    package = tmp_path / "site" / "chipsim"
    for folder in (package / "rules", tmp_path / "site" / "rules"):
        folder.mkdir(parents=True)
        (folder / "one.rule").write_text("# one\n")
    (tmp_path / "site" / "rules" / "foreign.rule").write_text("# a folder of somebody else\n")
    monkeypatch.setattr(library, "PACKAGE", package)
    monkeypatch.delenv("CHIPSIM_PATH", raising=False)
    assert names("rule") == ["one"]
    assert find("rule", "one") == package / "rules" / "one.rule"


def test_misspelt_name_gets_the_nearest_and_the_list(here):
    text = refused("chip", "loihi3")
    assert "no chip named 'loihi3' (did you mean 'loihi2'?)" in text
    assert "known: brainscales2, ideal, loihi1, loihi2" in text and "CHIPSIM_PATH" in text


@pytest.mark.parametrize("place", [".", "hw_models"])
def test_chipsim_path_shadows_the_shipped_one(here, monkeypatch, place):
    mine = here / "lab" / place / "loihi2.toml"
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("# mine\n")
    monkeypatch.setenv("CHIPSIM_PATH", os.pathsep.join([str(here / "missing"), str(here / "lab")]))
    assert find("chip", "loihi2").samefile(mine)
    assert names("chip").count("loihi2") == 1


def test_path_is_taken_as_it_is(here):
    (here / "sub").mkdir()
    (here / "sub" / "mine.rule").write_text("# mine\n")
    assert find("rule", "sub/mine.rule").samefile(here / "sub" / "mine.rule")
    os.chdir(here / "sub")
    assert find("rule", "mine.rule").samefile(here / "sub" / "mine.rule")


def test_a_bare_name_never_means_a_file_of_the_working_folder(here):
    (here / "mine.rule").write_text("# mine\n")
    assert "no rule named 'mine'" in refused("rule", "mine")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("./none.toml", "'./none.toml' does not exist"),
        ("loihi2.toml", "'loihi2.toml' does not exist (did you mean the shipped 'loihi2'?)"),
        ("./mine.rule", "no chip file; these end in .toml"),
        ("./folder.toml", "is a folder"),
        ("", "no chip named ''"),
    ],
)
def test_wrong_paths(here, name, text):
    (here / "folder.toml").mkdir()
    (here / "mine.rule").write_text("")
    assert text in refused("chip", name)


def test_summary_is_the_first_sentence(here):
    (here / "a.rule").write_text("#\n# Pairs, all of\n# them. Song et al. 2000.\n\n# not this\nrule a\n")
    (here / "b.py").write_text('"""One line.\n\nMore."""\n')
    (here / "c.py").write_text("def (:\n")
    (here / "d.toml").write_text("name = 'd'\n")
    lines = [summary(here / name) for name in ("a.rule", "b.py", "c.py", "d.toml")]
    assert lines[:2] == ["Pairs, all of them.", "One line."]
    assert lines[2].startswith("(line 1 is no Python") and lines[3] == ""
