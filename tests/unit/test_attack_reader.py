"""Cassettes written to attack whoever reads them, and cassettes damaged at random: the fast part."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.attacks import attacks
from benchmarks.mutations import Shelf, mutate

from qsession._store import Store
from qsession.errors import CassetteError

SLOW = ("ten million", "200 MB", "2 GiB")
FAST = [attack for attack in attacks() if not any(word in attack.name for word in SLOW)]


@pytest.mark.parametrize("attack", FAST, ids=[attack.name for attack in FAST])
def test_attack_on_the_reader_is_refused_and_the_file_left_alone(attack, tmp_path):
    """Whatever its digests say: nothing is executed, unpacked or claimed beyond bounds."""
    path = attack.write(tmp_path)
    before = path.read_bytes()
    with pytest.raises(CassetteError) as caught:
        for each in Store(tmp_path, tmp_path / ".qsession").load(path).interactions:
            _ = each.request.body, each.response.body
    assert caught.value.code in {"QS202", "QS206", "QS225"}
    assert path.read_bytes() == before


def test_attacks_without_their_change_are_read():
    """So it is the attack that is refused, and not the cassette that carries it."""
    from benchmarks import attacks as module

    document = module._document()
    text = module._cassette.resealed(module._cassette.dump(document), where="a.yaml")[0]
    assert module._cassette.decode(text, {}.__getitem__, where="a.yaml").interactions[0].at == 0


def test_mutated_files_are_refused_or_read_as_they_were(tmp_path):
    """A hundred of those that the campaign makes."""
    tally = mutate(Shelf(tmp_path), 100, seed=3)
    assert tally.findings == []
    refused = sum(times for (_, outcome), times in tally.ours.items() if outcome.startswith("refused"))
    assert refused > 50
