"""Deployment files, and the documents that explain them."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.judgement.deployment import parse_build_configuration, parse_deployment
from customhouse.judgement.policy import default_policy, parse_policy

GUIDES = Path(__file__).parents[2] / "docs" / "guides"


def blocks(name):
    return re.findall(r"```toml\n(.*?)```", (GUIDES / name).read_text(encoding="utf-8"), re.S)


def test_the_example_of_the_deployment_guide_is_a_deployment():
    [text] = blocks("deployment.md")
    deployment = parse_deployment(text)
    assert deployment.listeners == ("tcp/8883",)
    assert deployment.latest_firmware == "2025-02-03"
    assert deployment.uses[0].facts["tls13"] is False
    assert deployment.uses[0].facts["host-name-set"] is True


def test_the_example_of_the_policy_guide_is_a_policy_and_names_every_key():
    [text] = blocks("policy.md")
    policy = parse_policy(text)
    for part in (policy.coverage, policy.vulnerabilities, policy.feeds):
        for key in part.__struct_fields__:
            assert re.search(rf"^{key} = ", text, re.M), key


def test_the_guide_lists_every_rule_of_the_default_policy():
    text = (GUIDES / "policy.md").read_text(encoding="utf-8")
    assert [rule.id for rule in default_policy().findings if f"`{rule.id}`" not in text] == []


def test_options_are_read_from_a_header():
    header = """
    /* #define MBEDTLS_COMMENTED */
    #define MBEDTLS_SSL_CLI_C
    //#define MBEDTLS_SSL_PROTO_DTLS
    // #define MBEDTLS_ARC4_C
    #define MBEDTLS_SSL_MAX_CONTENT_LEN 4096 /* bytes */
    #undef MBEDTLS_DHM_C
    """
    assert parse_build_configuration(header) == {
        "MBEDTLS_SSL_CLI_C": True,
        "MBEDTLS_SSL_PROTO_DTLS": False,
        "MBEDTLS_ARC4_C": False,
        "MBEDTLS_SSL_MAX_CONTENT_LEN": True,
        "MBEDTLS_DHM_C": False,
    }


def test_options_are_read_from_kconfig():
    text = "CONFIG_MBEDTLS_DHM_C=y\n# CONFIG_MBEDTLS_ARC4_C is not set\nCONFIG_X=n\n"
    assert parse_build_configuration(text) == {"MBEDTLS_DHM_C": True, "MBEDTLS_ARC4_C": False, "X": False}


def test_a_configuration_file_settles_what_it_names_and_the_deployment_overrules_it():
    text = '[[component]]\nname = "mbedtls"\nconfig_file = "c.h"\noptions = { MBEDTLS_DHM_C = true }'
    deployment = parse_deployment(text, read_file={"c.h": "#undef MBEDTLS_DHM_C\n#define MBEDTLS_CCM_C\n"}.__getitem__)
    assert deployment.uses[0].options == {"MBEDTLS_DHM_C": True, "MBEDTLS_CCM_C": True}
    with pytest.raises(ValueError, match="cannot be read"):
        parse_deployment(text)


@given(st.text(max_size=200))
def test_any_text_is_a_deployment_or_one_clear_line(text):
    try:
        parse_deployment(text)
    except ValueError as error:
        assert str(error).startswith("not a deployment file")
    parse_build_configuration(text)
