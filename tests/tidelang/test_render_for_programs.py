"""SARIF, GitHub's annotations and GitLab's reports: the right places, nothing acted on."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from memory_files import compiled

from tidelang.compiler import NoPlugins
from tidelang.diagnostics import Diagnostic
from tidelang.render import github, gitlab, sarif
from tidelang.source import Source, Span

FILES = {
    "main.tide": 'import "lib/b.tide" as b\n'
    'pipeline p {\n  step a { run = "échø {{ nmae }}" }\n'
    '  step a { run = "x", timeout = 5 }\n}\n',
    "lib/b.tide": "let b = upper(1)\n",
}
FOUND = compiled(FILES, NoPlugins()).diagnostics


def replaced(file: str, region: dict[str, int], text: str) -> str:
    """The file with a region of SARIF replaced, by its own way to count."""
    lines = FILES[file].split("\n")
    assert region["startLine"] == region["endLine"]
    line = lines[region["startLine"] - 1]
    lines[region["startLine"] - 1] = (
        line[: region["startColumn"] - 1] + text + line[region["endColumn"] - 1 :]
    )
    return "\n".join(lines)


def results() -> list[dict[str, Any]]:
    (run,) = json.loads(sarif.render(FOUND, "1.0"))["runs"]
    found: list[dict[str, Any]] = run["results"]
    for result in found:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    return found


def test_sarif_says_which_file_and_where_by_its_own_count() -> None:
    assert {result["ruleId"] for result in results()} == {"T101", "T102", "T204"}
    by_code = {result["ruleId"]: result for result in results()}
    place = by_code["T101"]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "main.tide", "uriBaseId": "FOLDER"}
    region = place["region"]
    line = FILES["main.tide"].split("\n")[region["startLine"] - 1]
    assert line[region["startColumn"] - 1 : region["endColumn"] - 1] == "nmae"
    other = by_code["T204"]["locations"][0]["physicalLocation"]
    assert other["artifactLocation"]["uri"] == "lib/b.tide"
    related = by_code["T102"]["relatedLocations"][0]["physicalLocation"]["region"]
    assert related["startLine"] == 3


def test_a_fix_of_sarif_can_be_carried_out() -> None:
    files = {"main.tide": 'pipeline p {\n  step é { run = "x" }\n  step b { rnu = "x" }\n}\n'}
    found = compiled(files, NoPlugins()).diagnostics
    (run,) = json.loads(sarif.render(found, "1.0"))["runs"]
    fixes = [result["fixes"][0] for result in run["results"] if "fixes" in result]
    (change,) = fixes[-1]["artifactChanges"][0]["replacements"]
    FILES["fixed"] = files["main.tide"]
    text = change["insertedContent"]["text"]
    assert 'step b { run = "x" }' in replaced("fixed", change["deletedRegion"], text)


def test_sarif_has_what_the_standard_requires() -> None:
    log = json.loads(sarif.render(FOUND, "1.0"))
    assert log["version"] == "2.1.0"
    assert log["runs"][0]["columnKind"] == "unicodeCodePoints"
    assert log["runs"][0]["originalUriBaseIds"]["FOLDER"]["uri"].endswith("/")
    for result in log["runs"][0]["results"]:
        assert result["level"] in {"error", "warning"}
        assert result["message"]["text"]
        region = result["locations"][0]["physicalLocation"]["region"]
        assert all(value >= 1 for value in region.values())
    assert json.loads(sarif.render([], "1.0"))["runs"][0]["results"] == []


@pytest.mark.parametrize("name", ["a,b:c.tide", "100%.tide", "x\n::error::y.tide"])
def test_github_is_told_nothing_that_it_acts_on(name: str) -> None:
    span = Span(Source(name, "abc\n"), 0, 2)
    text = github.render([Diagnostic("T101", "50% of\r\n::set-output name=x::y", span)])
    assert text.count("\n") == 1
    assert re.fullmatch(
        r"::error file=[^,:]*,line=1,col=1,endLine=1,endColumn=3,title=T101::50%25 of%0D%0A"
        r"::set-output name=x::y\n",
        text,
    )


def test_github_has_a_line_for_each() -> None:
    lines = github.render(FOUND).splitlines()
    assert len(lines) == len(FOUND)
    assert any(line.startswith("::error file=lib/b.tide,line=1,col=15,") for line in lines)


def test_gitlab_knows_a_mistake_again_when_lines_have_moved() -> None:
    def prints(above: str) -> list[str]:
        files = {
            "main.tide": above + "pipeline p {\n  step a { run = x }\n  step b { run = x }\n}\n"
        }
        return [
            e["fingerprint"]
            for e in json.loads(gitlab.render(compiled(files, NoPlugins()).diagnostics))
        ]

    assert prints("") == prints("# moved\n\n")
    assert len(set(prints(""))) == 2
    first = json.loads(gitlab.render(FOUND))[0]
    assert set(first) == {"description", "check_name", "fingerprint", "severity", "location"}
