"""The journal of a table's writes."""

from orchestrator.local.emulator.dynamodb.write_journal import DAY_SECONDS, Journal, Window


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def written(*, max_writes: int = 100) -> tuple[Journal, Clock]:
    """A journal that found one item, and saw a counter written every ten seconds five times."""
    clock = Clock()
    journal = Journal({"found": {"": {"v": 0}}}, max_writes=max_writes, clock=clock)
    for number in range(1, 6):
        clock.now += 10
        journal.record_write("counter", "", {"v": number})
    return journal, clock


def test_every_moment_has_what_was_written_until_then():
    journal, _ = written()
    assert journal.items_at(1000.0) == {"found": {"": {"v": 0}}}
    assert [journal.items_at(moment)["counter"][""]["v"] for moment in (1010.0, 1019.9, 1020.0, 1050.0)] == [1, 1, 2, 5]


def test_a_removed_item_is_there_before_it_and_not_after():
    journal, clock = written()
    clock.now += 1
    journal.record_write("counter", "", None)
    journal.record_write("never there", "", None)
    assert "counter" in journal.items_at(1050.0)
    assert journal.items_at(1051.0) == {"found": {"": {"v": 0}}}


def test_items_of_one_partition_are_distinguished():
    journal, _ = written()
    journal.record_write("found", "other", {"v": 9})
    journal.record_write("found", "", None)
    assert journal.items_at(1050.0)["found"] == {"other": {"v": 9}}


def test_items_that_were_replaced_at_once_are_as_they_became():
    journal, clock = written()
    clock.now += 1
    journal.record_replacement({"only": {"": {"v": 7}}})
    assert journal.items_at(1051.0) == {"only": {"": {"v": 7}}}
    assert "only" not in journal.items_at(1050.0)


def test_what_is_returned_does_not_change_with_the_table():
    journal, clock = written()
    items = journal.items_at(1050.0)
    clock.now += 1
    journal.record_write("counter", "", {"v": 99})
    assert items["counter"][""]["v"] == 5
    items["counter"].clear()
    assert journal.items_at(1050.0)["counter"][""]["v"] == 5


def test_of_too_many_writes_the_window_begins_after_the_oldest():
    journal, _ = written(max_writes=4)
    window = journal.window(0)
    assert window.earliest == 1020.0
    assert [journal.items_at(moment)["counter"][""]["v"] for moment in (1020.0, 1030.0, 1050.0)] == [2, 3, 5]


def test_a_clock_that_is_set_back_keeps_the_order():
    journal, clock = written()
    clock.now = 1005.0
    journal.record_write("counter", "", {"v": 6})
    assert journal.items_at(1050.0)["counter"][""]["v"] == 6
    assert journal.items_at(1049.0)["counter"][""]["v"] == 4


def test_the_window_ends_before_now_and_never_before_it_begins():
    journal, clock = written()
    assert journal.window(5) == Window(1000.0, 1045.0)
    clock.now = 1002.0
    assert journal.window(5) == Window(1000.0, 1000.0)


def test_the_window_reaches_back_so_many_days():
    journal, clock = written()
    journal.days = 1
    clock.now = 1000.0 + 3 * DAY_SECONDS
    assert journal.window(0).earliest == 1000.0 + 2 * DAY_SECONDS


def test_a_moment_is_in_the_window_to_the_second():
    window = Window(1000.4, 1050.9)
    assert window.restorable_time(1000.0) == 1000.4
    assert window.restorable_time(1050.0) == 1050.0
    assert window.restorable_time(999.0) is None
    assert window.restorable_time(1051.0) is None
