"""The inventory: Ansible's schema and precedence, the hosts that come out, the pattern."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strixkit.config.catalogue import load_model, load_runtime
from strixkit.config.directories import profiles_directory
from strixkit.config.host import Service
from strixkit.config.inventory import Inventory, load_inventory
from strixkit.config.profiles import load_profile
from strixkit.errors import InputError

EXAMPLE = Path(__file__).parents[3] / "inventory.yaml"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str) -> Inventory:
    Path("i.yaml").write_text(text)
    return load_inventory("i.yaml")


def fault(text: str) -> str:
    with pytest.raises(InputError) as caught:
        read(text)
    return str(caught.value)


def host_fault(variables: str) -> str:
    indented = "".join(f"      {line}\n" for line in variables.splitlines())
    return fault(f"all:\n  hosts:\n    h:\n{indented}")


def test_the_example_works_down_to_profiles_models_and_runtimes() -> None:
    inventory = load_inventory(EXAMPLE)
    assert list(inventory.hosts) == ["strix01", "strix02", "box01", "box02", "box03"]
    for host in inventory.hosts.values():
        load_runtime(host.runtime)
        for service in host.services.values():
            load_profile(service.profile)
            load_model(service.model).variant(service.variant)


def test_a_sandbox_box_of_the_example() -> None:
    box = load_inventory(EXAMPLE).hosts["box02"]
    assert (box.address, box.user, box.port, box.become) == ("198.18.0.12", "root", None, None)
    assert box.identity_file == "~/.cache/strixkit/sandbox/id_ed25519"
    assert box.known_hosts == "~/.cache/strixkit/sandbox/known_hosts"
    assert (box.runtime, box.groups) == ("debian", ("all", "sandbox"))
    assert box.environment == {"GGML_VK_VISIBLE_DEVICES": "0"}
    assert box.services == {"main": Service(profile="coding", model="tiny")}


NESTED = """
all:
  vars: {strix_profile: all, strix_runtime: all, strix_model: all, ansible_user: all}
  hosts:
    alone:
  children:
    parent:
      vars: {strix_runtime: parent, strix_model: parent, ansible_user: parent}
      children:
        child:
          vars: {strix_model: child, ansible_user: child}
          hosts:
            h: {ansible_user: host}
ungrouped:
  vars: {ansible_port: 2200}
"""


def test_variables_come_from_all_then_parent_then_child_then_host() -> None:
    host = read(NESTED).hosts["h"]
    service = host.services["main"]
    assert (service.profile, host.runtime, service.model, host.user) == ("all", "parent", "child", "host")
    assert (host.port, host.groups) == (None, ("all", "parent", "child"))


def test_groups_hold_the_hosts_of_their_children_and_ungrouped_the_rest() -> None:
    inventory = read(NESTED)
    assert inventory.groups == {"all": ("alone", "h"), "ungrouped": ("alone",), "parent": ("h",), "child": ("h",)}
    assert inventory.hosts["alone"].port == 2200


def test_groups_of_one_depth_apply_by_name_unless_a_priority_says_otherwise() -> None:
    text = "b: {hosts: {h: }, vars: {ansible_port: 2}}\na: {hosts: {h: }, vars: {ansible_port: 1%s}}\n"
    assert read(text % "").hosts["h"].port == 2
    assert read(text % ", ansible_group_priority: 10").hosts["h"].port == 1


def test_a_group_may_stand_in_several_places() -> None:
    inventory = read("strix: {vars: {ansible_port: 3}}\nall:\n  children:\n    strix: {hosts: {h: }}\n")
    assert inventory.hosts["h"].port == 3


def test_a_mapping_is_replaced_not_merged_as_ansible_does() -> None:
    text = "g:\n  vars: {strix_environment: {A: '1', B: '2'}}\n  hosts:\n    h: {strix_environment: {A: '3'}}\n"
    assert read(text).hosts["h"].environment == {"A": "3"}


def test_services_and_what_they_inherit() -> None:
    host = read("""
all:
  hosts:
    h:
      strix_model: tiny
      strix_profile: general
      strix_services:
        main: {port: 8080}
        big: {port: 8081, listen: 127.0.0.1, profile: coding, model: other, variant: embF16, source: {box: /srv/m.gguf}}
""").hosts["h"]
    assert host.services["main"] == Service(profile="general", model="tiny", port=8080)
    big = host.services["big"]
    assert (big.profile, big.model, big.variant, big.port, big.listen) == (
        "coding",
        "other",
        "embF16",
        8081,
        "127.0.0.1",
    )
    assert big.source is not None
    assert (big.source.box, big.source.controller) == ("/srv/m.gguf", None)


def test_variables_of_others_are_no_business_of_ours() -> None:
    host = read("all: {hosts: {h: {ansible_connection: ssh, other: '{{ x }}', ansible_become: true, n: [1]}}}").hosts[
        "h"
    ]
    assert (host.address, host.become) == ("h", True)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ("strix_modle: x", "i.yaml:4: host h: strix_modle: unknown key; did you mean 'strix_model'?"),
        ("other: 1\nstrix_runtime: 3", "i.yaml:5: host h: strix_runtime: found 3, wanted text (put it in quotes)"),
        ("ansible_port: '22'", "ansible_port: found '22', wanted a whole number"),
        ("ansible_port: 0", "ansible_port: found 0, wanted at least 1"),
        ("ansible_host: a b", "ansible_host: found 'a b', wanted a host name or an IP address"),
        ("ansible_host: -oProxyCommand=x", "wanted a host name or an IP address"),
        ('ansible_host: "a\\nb"', "wanted a host name or an IP address"),
        ("ansible_host: root@box", "wanted a host name or an IP address"),
        ("ansible_user: a;b", "ansible_user: found 'a;b', wanted a user name"),
        ("ansible_become: 'yes'", "ansible_become: found 'yes', wanted true or false"),
        ('strix_known_hosts: "a\\nb"', "wanted a path without control characters"),
        ("strix_profile: ../x", "strix_profile: found '../x', wanted a name"),
        ("ansible_host: '{{ ip }}'", "ansible_host: a Jinja template is not supported here, wanted a plain value"),
        ("strix_environment: {A: '{% if x %}'}", "strix_environment.A: a Jinja template is not supported"),
        ("strix_environment: {A: 1}", "strix_environment.A: found 1, wanted text (put it in quotes)"),
        ("strix_environment: {'A B': x}", "found 'A B', wanted the name of an environment variable"),
        (
            "strix_environment:\n  LLAMA_API_KEY: hunter2",
            "i.yaml:5: host h: strix_environment.LLAMA_API_KEY: LLAMA_API_KEY",
        ),
        ("strix_environment: {hf_token: hunter2}", "belongs in a file that only root can read"),
        ('strix_environment: {A: "secret\\0"}', "strix_environment.A: the value holds a NUL character"),
        ("strix_services: {}", "strix_services: found an empty mapping, wanted at least 1"),
        ("strix_services: {Main: }", "strix_services.Main: found 'Main', wanted a service name"),
        ("strix_services: {a: {prot: 1}}", "strix_services.a.prot: unknown key; did you mean 'port'?"),
        ("strix_services: {a: {source: {}}}", "strix_services.a.source: found none, wanted exactly one"),
        (
            "strix_services:\n  a: {port: 1}\n  b: {port: 1}",
            "i.yaml:6: host h: strix_services.b.port: service 'a' has port 1",
        ),
        ("strix_services:\n  a: {port: 1}\n  b:", "i.yaml:6: host h: strix_services.b.port: missing"),
    ],
)
def test_faults_of_host_variables(variables: str, expected: str) -> None:
    assert expected in host_fault(variables)


def test_a_fault_in_a_group_stands_in_the_group() -> None:
    assert fault("g:\n  vars:\n    strix_model: [x]\n  hosts: {h: }\n").startswith(
        "i.yaml:3: host h: strix_model: found a list"
    )


def test_a_secret_is_not_shown_in_a_fault() -> None:
    assert "secret" not in host_fault('strix_environment: {A: "secret\\0"}')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all:\n  hots: {h: }\n", "i.yaml:2: all.hots: unknown key of a group; did you mean 'hosts'?"),
        ("all:\n  hosts: h\n", "i.yaml:2: all.hosts: found 'h', wanted a mapping"),
        ("all:\n  hosts:\n    'box[01:03]': \n", "ranges as in box[01:03] are not supported"),
        ("all:\n  hosts:\n    '$(id)': \n", "i.yaml:3: host: found '$(id)', wanted a host name"),
        ("'a b': {hosts: {h: }}\n", "i.yaml:1: group: found 'a b', wanted a group name"),
        ("a: {children: {b: }}\nb: {children: {a: }}\n", "the groups hold each other in a circle: "),
        ("a: {children: {all: }}\n", "the groups hold each other in a circle: "),
        ("a: {hosts: {x: , a: }}\n", "'a' is the name of a host and of a group"),
        ("all: {hosts: {h: 3}}\n", "all.hosts.h: found 3, wanted a mapping"),
    ],
)
def test_faults_of_the_tree(text: str, expected: str) -> None:
    assert expected in fault(text)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("strix01", ["strix01"]),
        ("all", ["strix01", "strix02", "box01", "box02", "box03"]),
        ("box02,strix", ["strix01", "strix02", "box02"]),
        ("sandbox,!box02", ["box01", "box03"]),
        (" sandbox , ! box02 ,", ["box01", "box03"]),
        ("!sandbox", ["strix01", "strix02"]),
        ("box01,box01,sandbox", ["box01", "box02", "box03"]),
    ],
)
def test_a_pattern_selects_in_the_order_of_the_file(pattern: str, names: list[str]) -> None:
    assert [host.name for host in load_inventory(EXAMPLE).select(pattern)] == names


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("strx01", "unknown host or group 'strx01'; did you mean 'strix01'?"),
        ("all,!sandbx", "unknown host or group 'sandbx'; did you mean 'sandbox'?"),
        ("", "'' selects no host"),
        ("strix,!strix", "selects no host"),
        ("ungrouped", "'ungrouped' selects no host"),
    ],
)
def test_faults_of_a_pattern(pattern: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        load_inventory(EXAMPLE).select(pattern)
    assert expected in str(caught.value)


# What a YAML file may hold; Jinja's brackets have a test of their own.
TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0{"), max_size=40) | st.sampled_from(
    [
        "$(reboot)",
        "`id`",
        "a'b\"c",
        "a\nb",
        "-oProxyCommand=x",
        "a b",
        "%h",
        "%%",
        "a;b",
        "\\",
        "\x1b[2J",
        " a",
        "root@h",
    ]
)
here = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@here
@given(TEXT)
def test_free_text_is_carried_literally(text: str) -> None:
    inventory = read(yaml.safe_dump({"all": {"hosts": {"h": {"strix_environment": {"A": text}}}}}))
    assert inventory.hosts["h"].environment == {"A": text}


@here
@given(TEXT, st.sampled_from(["ansible_host", "ansible_user", "strix_runtime", "strix_model", "strix_profile"]))
def test_a_name_is_safe_as_a_word_or_refused(text: str, variable: str) -> None:
    try:
        host = read(yaml.safe_dump({"all": {"hosts": {"h": {variable: text}}}})).hosts["h"]
    except InputError as error:
        assert f"host h: {variable}: " in str(error)
        return
    assert text in (host.address, host.user, host.runtime, host.services["main"].model, host.services["main"].profile)
    assert not text.startswith("-")
    assert not set(text) & set(" \t\r\n\0\x1b'\"`$\\;&<>|()/")


@here
@given(TEXT)
def test_host_and_service_names_are_safe_as_a_word_or_refused(text: str) -> None:
    document = {"all": {"hosts": {text: {"strix_services": {text: {"port": 8080}}}}}}
    try:
        inventory = read(yaml.safe_dump(document))
    except InputError:
        return
    assert list(inventory.hosts) == [text]
    assert all(character.isalnum() or character == "-" for character in text)


def test_the_profiles_beside_the_inventory_come_first(tmp_path: Path) -> None:
    assert profiles_directory(tmp_path / "i.yaml") == EXAMPLE.parent / "profiles"
    (tmp_path / "profiles").mkdir()
    assert profiles_directory(tmp_path / "i.yaml") == tmp_path / "profiles"
    assert profiles_directory() == EXAMPLE.parent / "profiles"


@pytest.mark.parametrize(
    "name",
    [
        "LLAMA_API_KEY",
        "HF_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "DB_PASSWORD",
        "apikey",
        "TOKEN",
        "X_CREDENTIALS",
        "A_SECRET",
    ],
)
def test_a_secret_does_not_go_into_an_environment_that_everybody_can_read(name: str) -> None:
    found = host_fault(f"strix_environment: {{{name}: hunter2}}")
    assert f"strix_environment.{name}: {name} sounds like a secret" in found
    assert "invoke key" in found
    assert "hunter2" not in found


@pytest.mark.parametrize(
    "name", ["GGML_VK_VISIBLE_DEVICES", "TOKENIZERS_PARALLELISM", "LLAMA_ARG_SSL_KEY_FILE", "KEY", "MAX_TOKENS_PER_S"]
)
def test_other_names_are_no_secrets(name: str) -> None:
    text = f"all: {{hosts: {{h: {{strix_environment: {{{name}: x}}}}}}}}\n"
    assert read(text).hosts["h"].environment == {name: "x"}
