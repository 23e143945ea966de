"""A file is left out before it is imported only if each of its tests would be left out after that."""

from pathlib import Path

import pytest

from tests.marked import nothing_left

QUICK = "not root and not postgresql and not slow"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "test_it.py"


@pytest.mark.parametrize("marks", ["pytest.mark.slow", "[pytest.mark.root, pytest.mark.slow]", "[pytest.mark.slow]"])
def test_a_file_of_which_all_is_left_out_is_not_imported(file: Path, marks: str) -> None:
    file.write_text(f"import nothing\n\npytestmark = {marks}\n")
    assert nothing_left(file, QUICK)
    assert nothing_left(file, "not slow")


@pytest.mark.parametrize(
    "choice", ["", "slow", "root", "not root", "slow and not root", "not slow or root", "not (slow)"]
)
def test_a_choice_that_may_leave_something_leaves_the_file(file: Path, choice: str) -> None:
    file.write_text("pytestmark = pytest.mark.slow\n")
    assert not nothing_left(file, choice)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pytestmark = pytest.mark.usefixtures('slow')\n",
        "pytestmark = pytest.mark.parametrize('root', [1])\n",
        "@pytest.mark.slow\ndef test_one(): ...\n\ndef test_two(): ...\n",
        "class Test:\n    pytestmark = pytest.mark.slow\n",
    ],
)
def test_a_file_with_a_test_that_may_be_left_is_imported(file: Path, text: str) -> None:
    file.write_text(text)
    assert not nothing_left(file, QUICK)


def test_of_folders_and_other_files_nothing_is_known(tmp_path: Path) -> None:
    other = tmp_path / "marks.txt"
    other.write_text("pytestmark = pytest.mark.slow\n")
    assert not nothing_left(tmp_path, QUICK)
    assert not nothing_left(other, QUICK)
