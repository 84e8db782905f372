import threading
from collections.abc import Iterator

import pytest

from sync.ahead import ahead


def test_all_items_in_their_order() -> None:
    assert list(ahead(iter(range(100)), 3)) == list(range(100))
    assert list(ahead(iter([None, None]))) == [None, None]
    assert list(ahead(iter(()))) == []


def test_drawn_in_another_thread_and_not_too_far() -> None:
    drawn: list[int] = []
    threads: set[int] = set()

    def items() -> Iterator[int]:
        for number in range(50):
            threads.add(threading.get_ident())
            drawn.append(number)
            yield number

    for number in ahead(items(), 2):
        # Two wait, one waits to be put.
        assert len(drawn) <= number + 4
    assert threading.get_ident() not in threads


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    got: list[int] = []
    with pytest.raises(ValueError, match="broken"):
        got.extend(ahead(items()))
    assert got == [1]


@pytest.mark.parametrize("depth", [1, 4])
def test_closing_ends_the_thread_and_closes_the_source(depth: int) -> None:
    closed, drawing = threading.Event(), set()

    def items() -> Iterator[int]:
        drawing.add(threading.current_thread())
        try:
            yield from range(1000)
        finally:
            closed.set()

    stream = ahead(items(), depth)
    assert [next(stream), next(stream)] == [0, 1]
    stream.close()
    assert closed.is_set()
    assert [thread.is_alive() for thread in drawing] == [False]
