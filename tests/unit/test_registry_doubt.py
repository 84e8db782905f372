from registry.doubt import Doubt

ALL = {"nodes": 10, "datasets": 100, "collections": 5, "replicas": 40}
NONE = {"nodes": 0, "datasets": 0, "collections": 0, "replicas": 0}


def doubt() -> Doubt:
    return Doubt(reads=3, seconds=10.0, lasting="collections", fleeting="replicas")


def test_a_read_that_lacks_little_is_believed() -> None:
    judge = doubt()
    assert judge.believes(ALL, NONE | {"nodes": 5}, 0.0)
    assert not judge.active


def test_a_read_that_lacks_most_is_believed_only_again_and_again_over_time() -> None:
    judge = doubt()
    lost = NONE | {"nodes": 6}
    assert not judge.believes(ALL, lost, 0.0)
    assert not judge.believes(ALL, lost, 5.0)
    assert not judge.believes(ALL, lost, 9.9)
    assert judge.active
    assert judge.believes(ALL, lost, 10.0)
    assert not judge.active


def test_time_alone_is_not_enough() -> None:
    judge = doubt()
    assert not judge.believes(ALL, NONE | {"datasets": 100}, 0.0)
    assert not judge.believes(ALL, NONE | {"datasets": 100}, 1000.0)


def test_a_good_read_ends_the_doubt() -> None:
    judge = doubt()
    lost = NONE | {"nodes": 10}
    judge.believes(ALL, lost, 0.0)
    assert judge.believes(ALL, NONE, 5.0)
    assert not judge.active
    assert not judge.believes(ALL, lost, 20.0)


def test_that_all_collections_are_gone_is_never_believed() -> None:
    judge = doubt()
    gone = NONE | {"collections": 5}
    assert not any(judge.believes(ALL, gone, float(second)) for second in range(100))
    assert judge.active


def test_replicas_may_all_go_with_their_holders_leases() -> None:
    judge = doubt()
    assert judge.believes(ALL, NONE | {"replicas": 40}, 0.0)
    assert not judge.active
    assert not judge.believes(ALL, NONE | {"replicas": 40, "nodes": 6}, 1.0)


def test_nothing_held_is_nothing_lost() -> None:
    assert doubt().believes(NONE, NONE, 0.0)
