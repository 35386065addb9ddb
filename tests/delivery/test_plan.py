"""Who stands in which lane."""

from hypothesis import given
from hypothesis import strategies as st

from biweekly.delivery.plan import MOST_LANES, assign_lanes


def test_a_small_list_has_one_lane() -> None:
    lanes = assign_lanes({"a.example": 3, "b.example": 150})
    assert lanes.names == ("others 1",)
    assert lanes.of_domain == {"a.example": 0, "b.example": 0}


def test_nobody_needs_no_lane() -> None:
    lanes = assign_lanes({})
    assert (lanes.names, lanes.of_domain) == ((), {})


def test_a_large_domain_has_a_lane_of_its_own_and_the_largest_comes_first() -> None:
    lanes = assign_lanes({"small.example": 10, "large.example": 400, "larger.example": 500})
    assert lanes.names == ("larger.example", "large.example", "others 1")
    assert lanes.of_domain == {"larger.example": 0, "large.example": 1, "small.example": 2}


def test_large_is_two_hundred_readers_and_a_hundredth_of_the_list() -> None:
    assert assign_lanes({"a.example": 199}).names == ("others 1",)
    assert assign_lanes({"a.example": 200}).names == ("a.example",)
    many = {f"d{n}.example": 500 for n in range(200)}
    assert all(name.startswith("others") for name in assign_lanes(many).names)


def test_domains_as_large_as_each_other_stand_in_the_order_of_their_names() -> None:
    assert assign_lanes({"b.example": 300, "a.example": 300}).names == ("a.example", "b.example")


def test_a_domain_keeps_its_shared_lane_when_others_come_and_go() -> None:
    before = assign_lanes({f"d{n}.example": 60 for n in range(400)})
    after = assign_lanes({f"d{n}.example": 60 for n in range(3, 400)})
    assert len(before.names) == len(after.names) == 5
    assert all(before.of_domain[domain] == lane for domain, lane in after.of_domain.items())


def test_a_list_of_millions_has_no_more_than_sixty_four_lanes() -> None:
    readers = {f"large{n}.example": 20_000 for n in range(60)} | {f"d{n}.example": 150 for n in range(5_000)}
    assert len(assign_lanes(readers).names) == MOST_LANES


@given(
    readers=st.dictionaries(st.from_regex(r"[a-z]{1,8}\.example", fullmatch=True), st.integers(1, 50_000), max_size=120)
)
def test_every_domain_has_a_lane_and_every_lane_a_name(readers: dict[str, int]) -> None:
    lanes = assign_lanes(readers)
    assert len(lanes.names) <= MOST_LANES
    assert len(set(lanes.names)) == len(lanes.names)
    assert lanes.of_domain.keys() == readers.keys()
    assert all(0 <= lane < len(lanes.names) for lane in lanes.of_domain.values())
    for lane, name in enumerate(lanes.names):
        if not name.startswith("others "):
            assert [domain for domain, at in lanes.of_domain.items() if at == lane] == [name]
