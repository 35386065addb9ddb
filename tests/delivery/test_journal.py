"""What had left when everything stopped: records that survive the death of their writer."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biweekly.delivery import journal
from biweekly.delivery.journal import Holder, Journal, Records, is_dead, read, sweep
from biweekly.errors import StoreError
from biweekly.model.mailing import Lane, MailingId, Spot

MAILING, OTHER = MailingId(7), MailingId(8)
RECORD = 16
# A writer as a process of its own: it says its name, and lives until its standard input ends.
WRITER = """
import sys
from pathlib import Path
from biweekly.delivery.journal import Journal
from biweekly.model.mailing import Lane, MailingId, Spot
pen = Journal(Path(sys.argv[1]))
pen.handed(MailingId(7), Spot(Lane(0), 1))
pen.answered(MailingId(7), Spot(Lane(0), 1), 250)
pen.handed(MailingId(7), Spot(Lane(0), 2))
print(pen.holder, flush=True)
sys.stdin.read()
"""


def spot(pos: int, *, opened: int = 0) -> Spot:
    return Spot(Lane(3), pos, opened)


def start_writer(folder: Path) -> tuple[subprocess.Popen[str], Holder]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Holder.parse(process.stdout.readline().strip())


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_the_last_record_of_each_spot_is_what_is_read(tmp_path: Path) -> None:
    pen = Journal(tmp_path)
    pen.handed(MAILING, spot(0))
    pen.answered(MAILING, spot(0), 250)
    pen.handed(MAILING, spot(1))
    pen.handed(MAILING, spot(2))
    pen.answered(MAILING, spot(2), 451)
    pen.handed(MAILING, spot(2))
    pen.handed(MAILING, spot(0, opened=1))
    pen.close(forget=False)
    assert read(tmp_path, pen.holder, MAILING) == Records(
        {spot(0): 250, spot(1): 0, spot(2): 0, spot(0, opened=1): 0}, torn=False
    )


def test_a_record_is_sixteen_bytes_and_on_the_file_at_once(tmp_path: Path) -> None:
    pen = Journal(tmp_path)
    for count in range(1, 4):
        pen.handed(MAILING, spot(count))
        assert pen.path.stat().st_size == RECORD * count
    pen.close(forget=False)


def test_another_mailings_records_are_not_this_ones(tmp_path: Path) -> None:
    pen = Journal(tmp_path)
    pen.handed(OTHER, spot(0))
    pen.handed(MAILING, spot(1))
    pen.close(forget=False)
    assert read(tmp_path, pen.holder, MAILING) == Records({spot(1): 0}, torn=False)
    assert read(tmp_path, pen.holder, MailingId(99)) == Records({}, torn=False)


@given(
    records=st.lists(
        st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 63), st.integers(0, 255), st.integers(0, 999)), max_size=30
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_was_written_is_read_back(tmp_path: Path, records: list[tuple[int, int, int, int]]) -> None:
    pen = Journal(tmp_path)
    expected = {}
    for pos, lane, opened, code in records:
        pen.answered(MAILING, Spot(Lane(lane), pos, opened), code)
        expected[Spot(Lane(lane), pos, opened)] = code
    found = read(tmp_path, pen.holder, MAILING)
    pen.close(forget=True)
    assert found == Records(expected, torn=False)


@pytest.mark.parametrize("cut", range(1, RECORD))
def test_a_torn_last_record_is_noticed_and_those_before_it_count(tmp_path: Path, cut: int) -> None:
    pen = Journal(tmp_path)
    pen.answered(MAILING, spot(0), 250)
    pen.handed(MAILING, spot(1))
    pen.close(forget=False)
    os.truncate(pen.path, RECORD * 2 - cut)
    assert read(tmp_path, pen.holder, MAILING) == Records({spot(0): 250}, torn=True)


@pytest.mark.parametrize("byte", range(RECORD))
def test_a_journal_damaged_before_its_end_is_not_believed(tmp_path: Path, byte: int) -> None:
    pen = Journal(tmp_path)
    pen.handed(MAILING, spot(0))
    pen.handed(MAILING, spot(1))
    pen.close(forget=False)
    damaged = bytearray(pen.path.read_bytes())
    damaged[byte] ^= 0x10
    pen.path.write_bytes(damaged)
    assert read(tmp_path, pen.holder, MAILING) is None


def test_a_missing_journal_or_one_of_another_boot_is_not_believed(tmp_path: Path) -> None:
    pen = Journal(tmp_path)
    pen.handed(MAILING, spot(0))
    pen.close(forget=False)
    assert read(tmp_path, replace(pen.holder, boot="0b5c-another-boot"), MAILING) is None
    pen.path.unlink()
    assert read(tmp_path, pen.holder, MAILING) is None


def test_where_boots_cannot_be_told_apart_no_journal_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "boot_id", lambda: None)
    pen = Journal(tmp_path)
    pen.handed(MAILING, spot(0))
    pen.close(forget=False)
    assert pen.holder.boot.startswith("unknown-")
    assert read(tmp_path, pen.holder, MAILING) is None
    assert not is_dead(tmp_path, pen.holder)


def test_a_holders_name_reads_back(tmp_path: Path) -> None:
    pen = Journal(tmp_path)
    assert Holder.parse(str(pen.holder)) == pen.holder
    assert pen.holder.pid == os.getpid()
    assert pen.holder.boot == journal.boot_id()
    pen.close(forget=True)
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as error:
        Journal(tmp_path / "nowhere")
    assert error.value.code == "journal-unwritable"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_an_error_before_the_letter_leaves(tmp_path: Path) -> None:
    pen = Journal(tmp_path)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, pen._file)
    os.close(full)
    with pytest.raises(StoreError, match="nothing is sent") as error:
        pen.handed(MAILING, spot(0))
    assert error.value.code == "journal-unwritable"
    assert "No space left" in error.value.message
    pen.close(forget=True)


def test_a_record_that_was_written_in_part_is_an_error_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pen = Journal(tmp_path)
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, record: real(file, record[:9]))
    with pytest.raises(StoreError) as error:
        pen.handed(MAILING, spot(0))
    monkeypatch.undo()
    assert error.value.code == "journal-unwritable"
    assert read(tmp_path, pen.holder, MAILING) == Records({}, torn=True)
    pen.close(forget=True)


def test_a_writer_is_alive_until_it_dies_however_it_dies(tmp_path: Path) -> None:
    process, holder = start_writer(tmp_path)
    assert holder.pid == process.pid
    assert not is_dead(tmp_path, holder)
    end(process)
    assert is_dead(tmp_path, holder)
    assert read(tmp_path, holder, MAILING) == Records({Spot(Lane(0), 1): 250, Spot(Lane(0), 2): 0}, torn=False)


def test_our_own_journal_is_never_called_dead_and_keeps_its_lock(tmp_path: Path) -> None:
    pen = Journal(tmp_path)
    assert not is_dead(tmp_path, pen.holder)
    # Looking must not have dropped the lock that tells other processes.
    ask = (
        "import sys; from pathlib import Path; from biweekly.delivery.journal import Holder, is_dead;"
        "print(is_dead(Path(sys.argv[1]), Holder.parse(sys.argv[2])))"
    )
    words = [sys.executable, "-c", ask, str(tmp_path), str(pen.holder)]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "False\n"
    pen.close(forget=False)
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "True\n"


def test_a_holder_of_another_boot_or_without_a_journal_cannot_be_proven_dead(tmp_path: Path) -> None:
    here = journal.boot_id() or ""
    assert not is_dead(tmp_path, Holder("0b5c-another-boot", 1, "abc"))
    assert not is_dead(tmp_path, Holder(here, 1, "abc"))


def test_sweeping_removes_what_nobody_names_and_nobody_writes(tmp_path: Path) -> None:
    process, alive = start_writer(tmp_path)
    mine, left, named = Journal(tmp_path), Journal(tmp_path), Journal(tmp_path)
    left.close(forget=False)
    named.close(forget=False)
    sweep(tmp_path, still_named={named.holder.journal})
    kept = {path.stem for path in tmp_path.glob("*.journal")}
    assert kept == {alive.journal, mine.holder.journal, named.holder.journal}
    end(process)
    mine.close(forget=True)
