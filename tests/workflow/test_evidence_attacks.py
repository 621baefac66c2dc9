"""Attacks on the evidence by a writer of the ledger and the bucket: each is found in the cloud and in an export."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace

import pytest

from orchestrator.cli.actions.evidence import folder, verification
from orchestrator.domain.errors import Refused
from orchestrator.domain.evidence.signatures import keys_document
from tests.evidence_attacks import OF_THE_LEDGER_ALONE, STRUCTURAL, Attacker, record, recorded, tamper

MESSAGES = {
    "change_a_byte": "entry 3 (dr-3) page.html: its SHA-256 is",
    "change_an_entry": "entry 6 (dr-6): its signature is not of key",
    "swap_two_entries": "entry 1 (dr-2): its signature is not of key",
    "remove_an_entry": "entry 3 (dr-4): its signature is not of key",
    "truncate_the_chain": "the second place: missing at the end: entry 5 to 6",
    "replay_an_old_state": "the second place: missing at the end: entry 4 to 6",
    "forge_an_entry": "entry 7 (dr-forged): it names the key",
    "sign_everything_anew": "entry 1 (dr-1): it names the key",
    "strip_the_signatures": "entry 6 (dr-6): no entry is signed",
    "move_from_another_environment": "entry 2 (dr-2): it is of 'other', not of test",
    "delete_all_rows": "the second place: missing at the end: entry 1 to 6",
    "change_a_recovery_pointer": "recovery#dr-3: it does not name the entry of this recovery",
    "change_the_success_pointer": "entry 6 (dr-6): it has no signature: it was forged",
    "let_an_entry_expire": "link#000006: it has a time to live",
    "give_the_head_the_body_of_an_entry": "head: its body is not a number and a hash as we write them: it was changed",
    "change_the_type_of_a_pointer": "recovery#dr-3: it does not name the entry of this recovery",
}
"""What `verify` says to each attack."""


def context(memory):
    return SimpleNamespace(name="test", cloud=SimpleNamespace(evidence=memory.chain, artifacts=memory.artifacts))


def faults(memory, keys=None) -> list[str]:
    return [f"{fault.where}: {fault.what}" for fault in memory.chain.verify_chain(keys)]


@pytest.fixture
def published(tmp_path):
    """A chain, and the file of its keys that an auditor has had for long."""
    memory = recorded()
    file = tmp_path / "published.json"
    file.write_bytes(keys_document(memory.keys.published))
    assert faults(memory) == []
    return memory, file


@pytest.mark.parametrize("name", STRUCTURAL)
def test_a_structural_attack_is_named_in_the_cloud(published, name):
    memory, _ = published

    STRUCTURAL[name](Attacker(memory))

    found = faults(memory)
    assert any(one.startswith(MESSAGES[name]) for one in found), found


@pytest.mark.parametrize("name", sorted(set(STRUCTURAL) - OF_THE_LEDGER_ALONE))
def test_a_structural_attack_is_named_in_an_export_with_the_published_key(published, tmp_path, capsys, name):
    memory, key = published
    STRUCTURAL[name](Attacker(memory))

    if name == "change_a_byte":
        with pytest.raises(Refused, match="its SHA-256 is"):
            folder.export(context(memory), tmp_path / "out", json=False)
        return
    folder.export(context(memory), tmp_path / "out", json=False)
    capsys.readouterr()
    code = verification.verify_folder(tmp_path / "out", "", key, json=False)

    assert code == verification.BROKEN
    assert MESSAGES[name] in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", sorted(OF_THE_LEDGER_ALONE - {"change_the_success_pointer"}))
def test_what_is_of_the_ledger_alone_leaves_an_export_as_it_was_recorded(published, tmp_path, name):
    memory, key = published
    STRUCTURAL[name](Attacker(memory))

    folder.export(context(memory), tmp_path / "out", json=False)

    assert verification.verify_folder(tmp_path / "out", "", key, json=False) == verification.SOUND


def test_a_forged_success_does_not_silence_the_overdue_alarm(published):
    memory, _ = published
    assert memory.chain.newest_success("drill").recovery == "dr-5"

    STRUCTURAL["change_the_success_pointer"](Attacker(memory))

    assert memory.chain.newest_success("drill") is None


def test_without_a_second_place_the_end_can_be_missing_unless_the_head_is_known(tmp_path, capsys):
    memory = recorded(second_place=False)
    head = memory.chain.read_head()
    STRUCTURAL["truncate_the_chain"](Attacker(memory))
    assert faults(memory) == []
    folder.export(context(memory), tmp_path / "out", json=False)
    capsys.readouterr()

    assert verification.verify_folder(tmp_path / "out", "", None, json=False) == verification.SOUND
    assert "there is no second place" in " ".join(capsys.readouterr().out.split())
    known = verification.verify_folder(tmp_path / "out", f"{head.number}:{head.hash}", None, json=False)
    assert known == verification.BROKEN


def test_a_signed_head_from_another_channel_shows_that_an_export_is_old(published, tmp_path, capsys):
    memory, key = published
    folder.export(context(memory), tmp_path / "old", json=False)
    record(memory, range(7, 9))
    verification.show_head(context(memory), tmp_path / "head.json", json=False)

    code = verification.verify_folder(tmp_path / "old", str(tmp_path / "head.json"), key, json=False)

    assert code == verification.BROKEN
    assert "missing at the end: entry 7 to 8" in capsys.readouterr().out


def test_a_folder_with_the_attackers_own_keys_is_found_with_the_published_key(published, tmp_path):
    memory, key = published
    attacker = Attacker(memory)
    keys = attacker.keys
    attacker.store(attacker.rewritten(attacker.entries, attacker.with_own_key(keys)))
    memory.second_place.versions.clear()
    memory.keys = keys
    folder.export(context(memory), tmp_path / "out", json=False)
    (tmp_path / "out" / "heads.jsonl").unlink()

    assert verification.verify_folder(tmp_path / "out", "", None, json=False) == verification.SOUND
    assert verification.verify_folder(tmp_path / "out", "", key, json=False) == verification.BROKEN


def test_after_a_rotation_entries_of_both_keys_verify_and_the_old_one_signs_nothing_more(published):
    memory, _ = published
    old = memory.keys
    memory.rotate()
    record(memory, range(7, 9))
    assert faults(memory) == []

    memory.keys = old
    record(memory, range(9, 10))
    memory.rotate()

    assert next(one for one in faults(memory) if "which was replaced before" in one).startswith("entry 9 (dr-9)")


def test_a_chain_from_before_signatures_is_sound_once_an_entry_is_signed():
    memory = recorded(4, second_place=False)
    attacker = Attacker(memory)
    attacker.store(attacker.rewritten(attacker.entries, attacker.unsigned))
    assert any("no entry is signed" in one for one in faults(memory))
    assert memory.chain.newest_success("drill") is None

    record(memory, range(5, 6))

    assert faults(memory) == []
    assert memory.chain.newest_success("drill").recovery == "dr-5"


def test_a_delete_marker_hides_nothing_from_the_verification(published):
    memory, _ = published
    memory.second_place.objects.clear()
    for key in [key for key in memory.bucket.objects if "links/000006" in key]:
        del memory.bucket.objects[key]
    for key in [key for key in memory.ledger.items if "000006" in key[1] or "dr-6" in key[1]]:
        del memory.ledger.items[key]

    found = faults(memory)

    assert any(one.startswith("the ledger: it lacks the entry of evidence/links/000006") for one in found)
    assert any(one.startswith("the second place: missing at the end: entry 6") for one in found)


@pytest.mark.parametrize("seed", [*range(120), 975])
def test_a_random_tampering_is_found(seed):
    memory = recorded()

    what = tamper(Attacker(memory), Random(seed))

    assert faults(memory), f"seed {seed}: {what}"
