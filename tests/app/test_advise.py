"""Advice from end to end: the answer, the moves, the letter, the documents."""

import datetime
import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from customhouse.app.advice_text import text_of
from customhouse.app.advise import Advised, advised, component_of, letters, read_deployment
from customhouse.cli import advise as command
from customhouse.host.errors import InputError
from customhouse.model import Component, Confidence, Deployment, How

DEPLOYMENTS = Path(__file__).parents[2] / "examples" / "deployments"
CLIENT = DEPLOYMENTS / "mbedtls-client-mcu.toml"
TODAY = datetime.date(2026, 11, 22)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store") / "knowledge.sqlite"


def asked(text, store, deployment=CLIENT, today=TODAY):
    return advised(text, [component_of(text)], read_deployment(deployment), today, store=store)


def test_a_bare_name_a_purl_and_another_spelling_name_the_same_component():
    for text in ("mbedtls@2.16.0", "pkg:generic/mbedtls@2.16.0", "mbed-tls@2.16.0", "PolarSSL@2.16.0"):
        component = component_of(text)
        assert (component.name, component.version) == ("mbedtls", "2.16.0")
    assert component_of("pkg:deb/debian/mbedtls@2.28.3-1").revision == "1"
    assert component_of("/tmp/firmware.bin") is None
    assert component_of("mbedtls@") is None


def test_2_16_12_has_no_point_today_and_a_plan_for_later(store):
    [advice] = asked("mbedtls@2.16.12", store).advice
    assert advice.point_in_upgrading is False
    assert advice.answer.startswith("No, not for the flaws published today: 29 flaws match")
    assert "ended in December 2021" in advice.answer
    assert [(move.to, move.branch_ends) for move in advice.moves] == [
        ("2.28.10", "2025-03"),
        ("3.6.7", "2027-03"),
        ("4.1.2", "2029-03"),
    ]
    costs = {move.to: (move.cost.functions_removed, move.cost.options_removed) for move in advice.moves}
    assert costs == {"2.28.10": (1, None), "3.6.7": (149, 45), "4.1.2": (683, None)}
    assert advice.complete


def test_2_16_0_has_a_point_and_the_smallest_move_is_in_the_same_branch(store):
    [advice] = asked("mbedtls@2.16.0", store).advice
    assert advice.point_in_upgrading is True
    assert len(advice.reachable) == 4
    first = advice.moves[0]
    assert (first.to, first.kind) == ("2.16.12", "same-branch")
    assert set(first.clears) == set(advice.reachable)
    assert first.leaves == ()
    assert "The smallest move that clears all of them is 2.16.12, in the same branch." in advice.answer


def test_without_a_deployment_it_depends_and_says_on_what(store):
    [advice] = asked("mbedtls@2.16.12", store, deployment=None).advice
    assert advice.point_in_upgrading is None
    assert advice.answer.startswith("It depends on facts that nobody has stated.")
    assert "!host-name-set" in advice.missing


def test_the_smallest_move_of_a_component_without_branches_clears_what_is_reached(store):
    text = '[[component]]\nname = "dropbear"\nroles = ["ssh-server"]\n'
    from customhouse.judgement.deployment import parse_deployment

    result = advised("dropbear", [component_of("dropbear@2014.63")], parse_deployment(text), TODAY, store=store)
    [advice] = result.advice
    assert "CVE-2016-7406" in advice.reachable
    assert advice.moves[0].kind == "smallest"
    assert "CVE-2016-7406" in advice.moves[0].clears
    assert not advice.complete
    assert "known to this snapshot" in advice.answer


def test_an_old_branch_offers_its_last_releases_and_the_way_out(store):
    text = '[[component]]\nname = "openssl"\nroles = ["tls-client"]\n'
    from customhouse.judgement.deployment import parse_deployment

    [advice] = advised("x", [component_of("openssl@1.0.1f")], parse_deployment(text), TODAY, store=store).advice
    assert (advice.branch, advice.branch_ends) == ("1.0.1", "2017-01")
    assert [move.kind for move in advice.moves] == ["same-branch", "next-branch"]
    assert advice.moves[0].to.startswith("1.0.1")
    assert "ended in January 2017" in advice.answer


def test_nothing_known_never_reads_as_nothing_wrong(store):
    [advice] = asked("mosquitto@99.0", store, deployment=None).advice
    assert "Nothing known to this snapshot matches" in advice.answer
    assert "feeds sync" in advice.answer
    [complete] = asked("curl@99.0", store, deployment=None).advice
    assert complete.answer.startswith("No. No published flaw matches curl 99.0.")


def test_the_letter_for_the_2_16_12_client_can_be_signed(store):
    text = letters(asked("mbedtls@2.16.12", store), TODAY)
    assert text.startswith("22 November 2026\n\nSubject: Mbed TLS 2.16.12 in MCU, TLS client only")
    assert "as of 20 August 2026" in text
    assert "4 of them have no CVE number" in text.replace("\n", " ")
    assert "None of them can be used against the device" in text.replace("\n", " ")
    assert "The client sets the host name that it expects" in text
    assert "has not been maintained since December 2021" in text.replace("\n", " ")
    assert "We do not recommend one for this reason alone." in text.replace("\n", " ")
    assert "behind NAT" in text
    assert text.rstrip().endswith("Yours sincerely,\n\n(name, position)")
    assert max(len(line) for line in text.splitlines()) <= 88
    assert "not so:" not in text
    assert "  " not in text.replace("\n  - ", "").replace("\n    ", " ")


def test_the_letter_for_a_client_that_is_reached_names_each_flaw_and_who(store):
    text = " ".join(letters(asked("mbedtls@2.16.0", store), TODAY).split())
    for name in ("CVE-2020-36475", "CVE-2020-36478", "CVE-2021-44732", "MBEDTLS-CL-2.16.11-dhm-bias"):
        assert f"- {name} (" in text
    assert "We recommend to move to 2.16.12." in text


def test_several_components_come_with_the_reachable_first(store):
    parts = [
        Component(name=name, version=version, how=How.DEFINES, confidence=Confidence.HIGH)
        for name, version in (("zlib", "1.2.8"), ("mbedtls", "2.16.0"), ("nothing-known", "1.0"))
    ]
    result = advised("list", parts, read_deployment(CLIENT), TODAY, store=store)
    assert [item.component for item in result.advice] == ["mbedtls", "zlib"]
    assert result.vulnerabilities[0].component == "mbedtls"


def test_the_json_is_what_the_interface_says(store):
    result = asked("mbedtls@2.16.0", store)
    document = json.loads(msgspec.json.encode(result))
    assert {"schema", "tool", "deployment", "vulnerabilities", "advice"} <= set(document)
    assert {"component", "version", "point_in_upgrading", "answer", "moves"} <= set(document["advice"][0])
    assert {"to", "clears", "leaves", "branch_ends", "cost"} <= set(document["advice"][0]["moves"][0])
    assert msgspec.json.decode(msgspec.json.encode(result), type=Advised) == result


def test_the_terminal_text_answers_first(store):
    lines = text_of(asked("mbedtls@2.16.12", store), TODAY).splitlines()
    assert lines[0] == "Mbed TLS 2.16.12 – any point in upgrading? no"
    assert any(line.startswith("  2.28.10") and "ended March 2025" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("x = ", "deployment file"),
        ("colour = 1", "colour"),
        ('[[component]]\nname = "mbedtls"\nroles = ["tls-clinet"]', "tls-clinet"),
        ('[network]\nlisteners = ["443"]', "tcp/443"),
        ('[[component]]\nname = "mbedtls"\nconfiguration = "small"', "small"),
    ],
)
def test_a_deployment_with_a_mistake_is_one_line_that_names_it(tmp_path, text, named):
    path = tmp_path / "d.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_deployment(path)
    assert named in str(error.value)
    assert "\n" not in str(error.value)


def test_nothing_said_is_nothing_known():
    assert read_deployment(None).behind_nat is None
    assert isinstance(read_deployment(None), Deployment)


# The command.


@pytest.fixture
def run(store, monkeypatch):
    import typer

    monkeypatch.setenv("CUSTOMHOUSE_KNOWLEDGE", str(store))
    app = typer.Typer()
    app.command()(command.advise)
    return lambda *arguments: CliRunner().invoke(app, [*arguments, "--today", "2026-11-22", "--quiet"])


@pytest.mark.parametrize("format", ["terminal", "json", "openvex", "cyclonedx", "csaf"])
def test_every_format_comes_out_and_the_status_is_zero(run, format):
    result = run("mbedtls@2.16.12", "--deployment", str(CLIENT), "--format", format)
    assert result.exit_code == 0, result.output
    if format != "terminal":
        json.loads(result.stdout)


def test_the_same_question_on_the_same_day_gives_the_same_bytes(run):
    first, second = (run("mbedtls@2.16.0", "--format", "csaf").stdout for _ in range(2))
    assert first == second


def test_our_own_vex_read_back_changes_no_decision(run, tmp_path):
    arguments = ("mbedtls@2.16.0", "--deployment", str(CLIENT))
    before = json.loads(run(*arguments, "--format", "json").stdout)
    for kind in ("openvex", "cyclonedx", "csaf"):
        path = tmp_path / f"{kind}.json"
        path.write_text(run(*arguments, "--format", kind).stdout, encoding="utf-8")
        after = json.loads(run("mbedtls@2.16.0", "--vex", str(path), "--format", "json").stdout)
        said = {row["id"]: row["reachability"]["status"] for row in before["vulnerabilities"]}
        assert {row["id"]: row["reachability"]["status"] for row in after["vulnerabilities"]} == said


def test_an_sbom_is_advised_on(run, tmp_path):
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "components": [
            {"type": "library", "name": "mbedtls", "version": "2.16.0", "purl": "pkg:generic/mbedtls@2.16.0"},
            {"type": "library", "name": "zlib", "version": "1.2.8", "purl": "pkg:generic/zlib@1.2.8"},
        ],
    }
    path = tmp_path / "bom.json"
    path.write_text(json.dumps(bom), encoding="utf-8")
    result = run(str(path), "--format", "json")
    assert result.exit_code == 0, result.output
    assert {item["component"] for item in json.loads(result.stdout)["advice"]} == {"mbedtls", "zlib"}


def test_what_is_neither_file_nor_component_is_an_error(run):
    result = run("no-such-thing")
    assert isinstance(result.exception, InputError)
    assert run("mbedtls@2.16.0", "--format", "poem").exit_code == 2
