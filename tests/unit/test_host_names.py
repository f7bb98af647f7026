"""Names of hosts in tags: alone, in a list, in several."""

from __future__ import annotations

from ansible_collections.gpulab.core.plugins.module_utils import host_names
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.lists(st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True), unique=True, min_size=1, max_size=300)


def test_a_host_alone_and_the_hosts_of_one_call() -> None:
    assert host_names.name_tags(["anna"]) == {"gpulab:host": "anna"}
    assert host_names.name_tags(["anna", "ben"]) == {"gpulab:hosts": "anna ben"}


def test_a_list_that_is_too_long_for_one_tag_goes_on_in_the_next() -> None:
    tags = host_names.name_tags([f"student-{number:03}" for number in range(50)])
    assert list(tags) == ["gpulab:hosts", "gpulab:hosts-2", "gpulab:hosts-3"]
    assert host_names.name_of(tags, 49) == "student-049"


@given(NAMES)
def test_every_host_finds_its_name_in_tags_that_aws_takes(names: list[str]) -> None:
    groups = host_names.groups(names)
    assert [name for group in groups for name in group] == names
    for group in groups:
        tags = host_names.name_tags(group)
        assert len(tags) <= host_names.MOST_TAGS
        assert all(len(value) <= host_names.LONGEST for value in tags.values())
        assert [host_names.name_of(tags, index) for index in range(len(group))] == group


def test_what_no_tag_names_has_no_name() -> None:
    assert host_names.name_of({"gpulab:deployment": "class"}) == ""
    assert host_names.name_of({"gpulab:hosts": "anna ben"}, 2) == ""
