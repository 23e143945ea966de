"""RESOURCES as a whole: what the machinery relies on holds for every resource."""

import re

import pytest

from onehop.model.attribute import REQUIRED, Unset
from onehop.model.resource import Resource
from onehop.model.resources import BY_NAME, RESOURCES

each = pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: r.name)


def test_names_and_collections_are_unique() -> None:
    assert len({r.name for r in RESOURCES}) == len({r.collection for r in RESOURCES}) == len(RESOURCES)


@each
def test_attributes_and_columns_have_names_of_their_own(resource: Resource) -> None:
    assert len({a.name for a in resource.attributes}) == len(resource.attributes)
    names = [a.column_name for a in resource.columns]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z0-9_]+", name) for name in names)


@each
def test_a_reference_points_to_a_resource_that_comes_before(resource: Resource) -> None:
    before = [r.name for r in RESOURCES[: RESOURCES.index(resource)]]
    for attribute in resource.columns:
        if attribute.column is not None and attribute.column.references is not None:
            assert attribute.column.references in before
    for parent in (resource.parent, resource.bumps):
        assert parent is None or (parent.resource in BY_NAME and resource.attribute(parent.attribute) is not None)


@each
def test_unique_groups_sort_keys_and_the_key_are_stored(resource: Resource) -> None:
    stored = {a.name for a in resource.columns}
    assert {name for group in resource.unique for name in group} <= stored
    assert {a.name for a in resource.attributes if a.sort} - {"tenant_id"} <= stored
    assert resource.key in stored


@each
def test_defaults_are_values_of_their_kind(resource: Resource) -> None:
    for attribute in resource.attributes:
        if not isinstance(attribute.default, Unset):
            assert attribute.kind.check(attribute.default) == attribute.default


@each
def test_what_is_required_can_be_sent(resource: Resource) -> None:
    assert all(a.post for a in resource.attributes if a.default is REQUIRED)
    assert not any(a.post for a in resource.attributes) or "create" in resource.operations
    assert not any(a.put for a in resource.attributes) or "update" in resource.operations


def test_an_alias_is_announced_by_one_resource() -> None:
    aliases = [e.alias for r in RESOURCES for e in r.extensions]
    assert len(set(aliases)) == len(aliases)
