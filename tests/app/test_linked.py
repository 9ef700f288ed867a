"""What is remembered of an image, and what is not."""

import msgspec
import pytest

from customhouse.app.linked import KIND, remembered_or_linked
from customhouse.host.store import Store
from customhouse.model import DeviceFacts, Digest, FileFacts, FileKind, FileTree, NotExamined, Outcome

OPTIONS = (True, ())
TREE = FileTree()


class Linking:
    def __init__(self, device: DeviceFacts) -> None:
        self.device, self.times = device, 0

    def __call__(self) -> DeviceFacts:
        self.times += 1
        return self.device


@pytest.fixture
def store() -> Store:
    return Store.open(None)


def a_device(outcome: Outcome | None = None) -> DeviceFacts:
    cut = (NotExamined(what="passwords", outcome=outcome, why="x"),) if outcome else ()
    return DeviceFacts(tree=TREE, facts={}, not_examined=cut)


def test_a_second_time_nothing_is_joined_anew(store: Store) -> None:
    linking = Linking(a_device())
    first = remembered_or_linked("image", TREE, {}, OPTIONS, store, linking)
    assert remembered_or_linked("image", TREE, {}, OPTIONS, store, linking) == first
    assert linking.times == 1


def test_another_image_or_other_options_are_joined(store: Store) -> None:
    linking = Linking(a_device())
    for image, options in (("image", OPTIONS), ("other", OPTIONS), ("image", (False, ()))):
        remembered_or_linked(image, TREE, {}, options, store, linking)
    assert linking.times == 3


@pytest.mark.parametrize("outcome", [Outcome.SKIPPED, Outcome.FAILED])
def test_what_a_budget_or_a_fault_cut_is_not_kept(outcome: Outcome, store: Store) -> None:
    linking = Linking(a_device(outcome))
    for _ in range(2):
        remembered_or_linked("image", TREE, {}, OPTIONS, store, linking)
    assert linking.times == 2


def test_facts_that_were_cut_make_no_memory(store: Store) -> None:
    digest = Digest("ab" * 32)
    facts = {digest: FileFacts(digest=digest, size=1, kind=FileKind.ELF, outcomes={"program": Outcome.SKIPPED})}
    linking = Linking(a_device())
    for _ in range(2):
        remembered_or_linked("image", TREE, facts, OPTIONS, store, linking)
    assert linking.times == 2


def test_a_damaged_memory_is_made_again(store: Store) -> None:
    class Damaged(Store):
        def get(self, kind: str, key: str) -> bytes | None:
            assert kind == KIND
            return msgspec.msgpack.encode({"tree": 7})

    linking = Linking(a_device())
    assert remembered_or_linked("image", TREE, {}, OPTIONS, Damaged.open(None), linking) == linking.device
    assert linking.times == 1
