"""Standard output holds the answer alone, whoever else prints."""

import ctypes
import sys

import pytest

from search.commands.terminal import answers_only


def test_what_compiled_libraries_print_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    library = ctypes.CDLL(None)
    with answers_only():
        print("from Python")
        library.puts(b"from a compiled library")
    print("the answer")
    sys.stdout.flush()
    out, err = capfd.readouterr()
    assert out == "the answer\n"
    assert "from Python" in err
    assert "from a compiled library" in err


def test_standard_output_is_put_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), answers_only():
        raise KeyError
    print("the answer")
    assert capfd.readouterr().out == "the answer\n"
