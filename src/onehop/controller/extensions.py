"""What the API announces: the aliases of the machinery and of each resource. Only what works is announced."""

from functools import cache

from onehop.model.resource import Extension
from onehop.model.resources import RESOURCES

MACHINERY: tuple[Extension, ...] = (
    Extension("project-id", "Project id", "project_id beside tenant_id.", "2016-09-09T09:09:09-09:09"),
    Extension("pagination", "Pagination", "Lists page by page.", "2016-06-12T00:00:00-00:00"),
    Extension("sorting", "Sorting", "Lists in an order.", "2016-06-12T00:00:00-00:00"),
    Extension("filter-validation", "Filter validation", "Unknown filters are refused.", "2018-03-21T10:00:00-00:00"),
    Extension(
        "empty-string-filtering",
        "Empty string filtering",
        "An empty filter finds what is empty.",
        "2018-05-01T10:00:00-00:00",
    ),
    Extension("revision-if-match", "If-Match", "Changes only of a known revision.", "2016-12-11T00:00:00-00:00"),
    Extension("standard-attr-description", "Descriptions", "Texts on resources.", "2016-02-10T10:00:00-00:00"),
    Extension(
        "standard-attr-timestamp", "Timestamps", "When a resource was made and changed.", "2016-09-12T10:00:00-00:00"
    ),
    Extension("standard-attr-revisions", "Revisions", "A number grows with changes.", "2016-04-11T10:00:00-00:00"),
    Extension("standard-attr-tag", "Tags", "Labels on resources.", "2017-01-01T00:00:00-00:00"),
    Extension("tag-creation", "Tag creation", "POST adds tags.", "2024-01-16T00:00:00-00:00"),
    Extension(
        "tag-ports-during-bulk-creation",
        "Tags in a create",
        "tags in the body of a create.",
        "2019-12-29T19:00:00-00:00",
    ),
)


@cache
def announced() -> dict[str, Extension]:
    """Extensions by alias."""
    found = {extension.alias: extension for extension in MACHINERY}
    for resource in RESOURCES:
        found.update({extension.alias: extension for extension in resource.extensions})
    return found


def shown(extension: Extension) -> dict[str, object]:
    """As the API shows it."""
    return {
        "alias": extension.alias,
        "name": extension.name,
        "description": extension.description,
        "updated": extension.updated,
        "links": [],
    }
