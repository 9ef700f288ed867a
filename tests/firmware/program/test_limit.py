import gc
import threading
import time

from customhouse.firmware.program.limit import processor_time, uncollected


def spin(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_work_that_does_not_look_at_the_clock_is_stopped() -> None:
    before = time.process_time()
    with processor_time(0.1) as limit:
        spin(5)
    assert limit.over
    assert time.process_time() - before < 2


def test_work_that_ends_in_time_is_left_alone() -> None:
    with processor_time(5) as limit:
        spin(0.05)
    assert not limit.over
    spin(0.05)  # the timer is off again: nothing stops us here


def test_another_thread_is_not_limited_and_not_harmed() -> None:
    seen: list[bool] = []

    def work() -> None:
        with processor_time(0.05) as limit:
            spin(0.1)
        seen.append(limit.over)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


def test_nothing_is_collected_while_a_program_is_read_and_it_goes_on_behind_it() -> None:
    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
