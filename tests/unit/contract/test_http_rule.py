"""HTTP rules: the forms that can be translated, and a sentence for each that cannot."""

from __future__ import annotations

import pytest

from gateway.contract.http_rule import HttpRule, HttpRuleError, Variable, parse_http_rule

VM, CDROM = Variable("vm"), Variable("cdrom")


@pytest.mark.parametrize(
    ("path", "segments", "query"),
    [
        pytest.param("/api/vcenter/vm", ("api", "vcenter", "vm"), "", id="literals"),
        pytest.param("/api/vcenter/vm/{vm}", ("api", "vcenter", "vm", VM), "", id="variable-at-the-end"),
        pytest.param("/{vm}/cdrom/{cdrom}/x", (VM, "cdrom", CDROM, "x"), "", id="variables-between-literals"),
        pytest.param("/{vm}/{cdrom}", (VM, CDROM), "", id="variables-side-by-side"),
        pytest.param("/a/local-filesystem", ("a", "local-filesystem"), "", id="dash"),
        pytest.param("/a/v1.2_~", ("a", "v1.2_~"), "", id="every-unreserved-mark"),
        pytest.param("/a/...", ("a", "..."), "", id="three-dots"),
        pytest.param("/{resource_pool2}", (Variable("resource_pool2"),), "", id="underscore-and-digit"),
        pytest.param("/vm/{vm}?action=start", ("vm", VM), "action=start", id="action"),
        pytest.param("/vm?action=clone&vmw-task=true", ("vm",), "action=clone&vmw-task=true", id="two-parameters"),
    ],
)
def test_accepted_paths(path: str, segments: tuple[str | Variable, ...], query: str) -> None:
    """A path of literals and whole-segment variables is taken apart, and its literal query kept as it is written."""
    assert parse_http_rule("post", path, "", "") == HttpRule("POST", path, segments, query, "", "")


@pytest.mark.parametrize(
    ("verb", "body", "response_body"),
    [
        pytest.param("get", "", "vms", id="get"),
        pytest.param("put", "spec", "", id="put"),
        pytest.param("post", "*", "pid", id="post"),
        pytest.param("delete", "", "", id="delete"),
        pytest.param("patch", "spec", "", id="patch"),
    ],
)
def test_accepted_verbs(verb: str, body: str, response_body: str) -> None:
    """Each of HTTP's methods is accepted, in upper case from then on, with the bodies it may have."""
    rule = parse_http_rule(verb, "/a", body, response_body)
    assert (rule.verb, rule.body, rule.response_body) == (verb.upper(), body, response_body)


def test_variables_in_the_order_of_the_path() -> None:
    """The variables of a rule are its names in the order of the path."""
    assert parse_http_rule("get", "/{vm}/x/{cdrom}", "", "").variables == ("vm", "cdrom")


NO_SEGMENT = "the segment {!r} of {!r} is neither a literal nor a variable such as {{vm}}"


@pytest.mark.parametrize(
    ("verb", "path", "body", "sentence"),
    [
        pytest.param("get", "", "", "the path '' does not start with a slash", id="no-path"),
        pytest.param("get", "api/vm", "", "the path 'api/vm' does not start with a slash", id="no-slash"),
        pytest.param(
            "get", "https://vc/a", "", "the path 'https://vc/a' does not start with a slash", id="whole-address"
        ),
        pytest.param("get", "/", "", NO_SEGMENT.format("", "/"), id="root"),
        pytest.param("get", "//vc/a", "", NO_SEGMENT.format("", "//vc/a"), id="host"),
        pytest.param("get", "//[", "", NO_SEGMENT.format("", "//["), id="broken-host"),
        pytest.param("get", "/a//b", "", NO_SEGMENT.format("", "/a//b"), id="empty-segment"),
        pytest.param("get", "/a/", "", NO_SEGMENT.format("", "/a/"), id="trailing-slash"),
        pytest.param("get", "/a/../b", "", NO_SEGMENT.format("..", "/a/../b"), id="dots"),
        pytest.param("get", "/a/.", "", NO_SEGMENT.format(".", "/a/."), id="dot"),
        pytest.param("get", "/a/{vm=**}", "", NO_SEGMENT.format("{vm=**}", "/a/{vm=**}"), id="pattern"),
        pytest.param("get", "/a/*", "", NO_SEGMENT.format("*", "/a/*"), id="wildcard"),
        pytest.param("get", "/a/{vm}:start", "", NO_SEGMENT.format("{vm}:start", "/a/{vm}:start"), id="custom-verb"),
        pytest.param("get", "/a/x-{vm}", "", NO_SEGMENT.format("x-{vm}", "/a/x-{vm}"), id="part-of-a-segment"),
        pytest.param("get", "/{spec.vm}", "", NO_SEGMENT.format("{spec.vm}", "/{spec.vm}"), id="nested-field"),
        pytest.param("get", "/{}", "", NO_SEGMENT.format("{}", "/{}"), id="nameless-variable"),
        pytest.param("get", "/{Vm}", "", NO_SEGMENT.format("{Vm}", "/{Vm}"), id="capital"),
        pytest.param("get", "/{vm", "", NO_SEGMENT.format("{vm", "/{vm"), id="open-brace"),
        pytest.param("get", "/a b", "", NO_SEGMENT.format("a b", "/a b"), id="space"),
        pytest.param("get", "/a\n", "", NO_SEGMENT.format("a\n", "/a\n"), id="newline"),
        pytest.param("get", "/a%20b", "", NO_SEGMENT.format("a%20b", "/a%20b"), id="escaped"),
        pytest.param("get", "/a#b", "", NO_SEGMENT.format("a#b", "/a#b"), id="fragment"),
        pytest.param("get", "/{vm}/{vm}", "", "a variable occurs twice in '/{vm}/{vm}'", id="variable-twice"),
        pytest.param("get", "/a?", "", "the query '' is not of the form name=value", id="empty-query"),
        pytest.param("get", "/a?start", "", "the query 'start' is not of the form name=value", id="no-value"),
        pytest.param("get", "/a?action=", "", "the query 'action=' is not of the form name=value", id="empty-value"),
        pytest.param("get", "/a?=start", "", "the query '=start' is not of the form name=value", id="no-name"),
        pytest.param("get", "/a?x=1&", "", "the query 'x=1&' is not of the form name=value", id="trailing-ampersand"),
        pytest.param("get", "/a?x={vm}", "", "the query 'x={vm}' is not of the form name=value", id="query-variable"),
        pytest.param("get", "/a?x=a b", "", "the query 'x=a b' is not of the form name=value", id="space-in-query"),
        pytest.param("get", "/a?x=a#b", "", "the query 'x=a#b' is not of the form name=value", id="fragment-of-query"),
        pytest.param("get", "/a", "spec", "GET cannot have a body", id="get-with-body"),
        pytest.param("delete", "/a", "*", "DELETE cannot have a body", id="delete-with-body"),
    ],
)
def test_refused(verb: str, path: str, body: str, sentence: str) -> None:
    """A rule that cannot be translated is refused with a sentence that says what is wrong with it."""
    with pytest.raises(HttpRuleError) as caught:
        parse_http_rule(verb, path, body, "")
    assert str(caught.value) == sentence
