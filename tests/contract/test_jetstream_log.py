"""The log in NATS JetStream keeps what every log promises."""

import pytest

from lifecycle.composition import open_log
from tests.contract.keys import encrypted
from tests.contract.log_contract import LogContract

BY_POSITION = (
    "a_batch_larger_than_a_group_is_one_commit",
    "a_batch_with_a_bad_entry_appends_nothing",
    "a_closed_or_forked_log_says_so_whatever_is_asked",
    "a_hundred_tasks_store_each_event_once",
    "a_log_may_be_closed_twice",
    "a_log_without_foreign_writes_has_no_stray_records",
    "a_log_written_in_every_way_verifies",
    "a_part_of_the_log_is_scanned",
    "a_redriven_mark_that_is_appended_again_changes_nothing",
    "a_scan_of_large_bodies_misses_none",
    "a_scan_sees_what_is_appended_meanwhile",
    "an_empty_batch_is_nothing",
    "an_order_of_which_records_are_missing_is_read_and_the_next_append_names_the_gap",
    "an_unexpected_version_is_a_conflict_and_nothing_is_stored",
    "one_of_two_tasks_that_expect_the_same_version_wins",
    "records_of_another_log_can_be_put_in_just_as_they_are_all_or_none",
    "the_same_content_again_is_a_duplicate_and_stands_where_the_first_copy_stands",
    "the_whole_log_is_scanned_in_order_of_recording",
    "threads_that_send_the_same_events_store_each_once",
    "topics_are_the_kinds",
    "versions_count_within_an_order_and_positions_over_the_whole_log",
)
"""What asks for positions over all orders, which a log in partitions refuses."""


class TestJetStreamLog(LogContract):
    @pytest.fixture(autouse=True)
    def _server(self, nats):
        self.url = nats.new_url()

    def open(self, folder, clock):
        return open_log(self.url, clock=clock)


@pytest.mark.long
class TestEncryptedJetStreamLog(TestJetStreamLog):
    def open(self, folder, clock):
        return encrypted(super().open(folder, clock))


class TestPartitionedJetStreamLog(TestJetStreamLog):
    def open(self, folder, clock):
        return open_log(f"{self.url}&partitions=4", clock=clock)


for name in BY_POSITION:
    assert hasattr(LogContract, f"test_{name}")
    setattr(TestPartitionedJetStreamLog, f"test_{name}", None)
