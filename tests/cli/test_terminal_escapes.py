"""Text from a dataset cannot command the terminal that shows it."""

import numpy as np
import pytest

import offctx
from offctx.cli import main


def policy(observations, contexts, rng):
    return np.zeros((len(observations), 1))


policy.__name__ = "\x1b]0;owned\x07\x1b[2J"


@pytest.mark.parametrize("verb", [["show", "test/x-v0"], ["show", "test/no\x1b[31m-v0"], ["collect", "no\x1b[31m.toml"]])
def test_what_is_printed_holds_no_control_characters(verb, datasets_path, monkeypatch, capsys):
    dataset = offctx.collect("testing/Runner-v0", "test/x-v0", policy=policy, seed=0, progress=False)
    monkeypatch.setattr("sys.argv", ["offctx", *verb])
    with pytest.raises(SystemExit):
        main()
    printed = capsys.readouterr()
    text = printed.out + printed.err + repr(dataset)
    assert "\\x1b" in printed.out + printed.err
    assert not any(ord(character) < 32 and character not in "\n\t" for character in text)
