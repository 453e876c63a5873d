"""The files in deploy/ keep their promises: no root, no writable system, no secret inside, no open port."""

import re
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from auditor.assembly import sinks_of
from auditor.config import Config
from auditor.configfile import read

DEPLOY = Path(__file__).parent.parent / "deploy"
UNIT = DEPLOY / "systemd" / "auditor.service"
EXPOSURE_LIMIT = 15  # tenths, as systemd-analyze counts them: 1.5 of 10

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


@pytest.fixture(scope="module")
def dockerfile() -> list[str]:
    """Instructions, each on one line."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    return [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    found: dict[str, Any] = compose["services"]["auditor"]
    return found


def last(instructions: list[str], word: str) -> str:
    return [line for line in instructions if line.startswith(word + " ")][-1]


def test_the_image_runs_as_a_numeric_user_without_rights(dockerfile: list[str]) -> None:
    assert last(dockerfile, "USER") == "USER 65534:65534"
    stage = dockerfile[len(dockerfile) - 1 - dockerfile[::-1].index(last(dockerfile, "FROM")) :]
    after = stage[stage.index("USER 65534:65534") + 1 :]
    assert {line.split()[0] for line in after} <= {"STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}


def test_the_image_takes_nothing_from_the_network_but_pinned_packages(dockerfile: list[str]) -> None:
    assert not [line for line in dockerfile if line.startswith("ADD ")]
    assert not [line for line in dockerfile if re.search(r"\b(curl|wget|git clone)\b", line)]
    installs = [line for line in dockerfile if re.search(r"pip install", line)]
    assert installs
    assert all("--require-hashes -r" in line for line in installs)


def test_the_base_image_is_pinned_to_a_python_and_can_be_pinned_by_digest(dockerfile: list[str]) -> None:
    bases = [line for line in dockerfile if line.startswith("FROM ")]
    assert len(bases) == 2
    assert all("python:${PYTHON_TAG}${PYTHON_DIGEST}" in line for line in bases)
    assert re.search(r"^ARG PYTHON_TAG=3\.12-slim-\w+$", "\n".join(dockerfile), flags=re.MULTILINE)


def test_the_image_holds_no_secret_and_stops_politely(dockerfile: list[str]) -> None:
    assert not [line for line in dockerfile if re.search(r"(?i)^(ARG|ENV)\b.*(key|token|secret|password)", line)]
    assert last(dockerfile, "STOPSIGNAL") == "STOPSIGNAL SIGTERM"
    assert "/livez" in last(dockerfile, "HEALTHCHECK")
    assert last(dockerfile, "VOLUME") == "VOLUME /var/lib/auditor"


def test_the_image_copies_only_what_the_build_is_allowed_to_see(dockerfile: list[str]) -> None:
    ignored = (DEPLOY.parent / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    copied = [line.split()[1] for line in dockerfile if line.startswith("COPY ") and "--from" not in line]
    assert "*" in ignored
    assert copied
    for source in copied:
        assert (DEPLOY.parent / source).exists()
        assert any(source == each or source.startswith(f"{each}/") for each in allowed), source


def test_the_container_of_compose_can_write_only_its_state_and_a_small_tmp(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["user"] == "65534:65534"
    assert [mount.split(":")[0] for mount in service["tmpfs"]] == ["/tmp"]  # noqa: S108 - a mount, not a file
    assert [mount for mount in service["volumes"] if not mount.endswith(":ro")] == ["state:/var/lib/auditor"]
    assert not {"privileged", "network_mode", "pid", "devices", "cap_add"} & set(service)


def test_the_container_of_compose_has_limits_and_is_not_restarted_for_ever(service: dict[str, Any]) -> None:
    assert service["restart"] == "on-failure:5"
    assert {"mem_limit", "cpus", "pids_limit"} <= set(service)
    assert "/livez" in service["healthcheck"]["test"][-1]


def test_the_page_of_compose_is_published_on_loopback_only(service: dict[str, Any]) -> None:
    assert service["ports"] == ["127.0.0.1:9847:9847"]


def test_secrets_of_compose_are_files(service: dict[str, Any]) -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    assert service["secrets"] == list(compose["secrets"])
    assert all(set(secret) == {"file"} for secret in compose["secrets"].values())
    assert "environment" not in service


def test_the_example_starts_in_the_image_because_people_sign_in_there(
    dockerfile: list[str], service: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (listen,) = re.findall(r"AUDITOR_WEB__LISTEN=(\S+)", " ".join(dockerfile))
    monkeypatch.setenv("AUDITOR_WEB__LISTEN", listen)
    web = read(DEPLOY / "auditor.yaml", need_keys=False).config.web
    assert (web.listen, web.anonymous) == ("0.0.0.0:9847", False)
    assert str(web.users_file) in {f"/run/secrets/{name}" for name in service["secrets"]}
    assert "ANONYMOUS" not in " ".join(dockerfile)


def unit() -> list[tuple[str, str]]:
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    return [(key, value) for key, sep, value in (line.partition("=") for line in lines) if sep and key[:1] != "#"]


def test_the_unit_tells_systemd_how_it_is_and_takes_its_key_as_a_credential() -> None:
    settings = dict(unit())
    assert settings["Type"] == "notify"
    assert settings["NotifyAccess"] == "main"
    assert settings["WatchdogSec"]
    assert settings["LoadCredential"].startswith("openai-admin-key:")
    assert settings["StateDirectory"] == "auditor"
    assert settings["DynamicUser"] == "yes"
    assert not [value for key, value in unit() if key == "Environment" and "KEY" in value]


def test_the_unit_reads_as_sections_of_known_names() -> None:
    parser = RawConfigParser(strict=False)
    parser.read(UNIT, encoding="utf-8")
    assert parser.sections() == ["Unit", "Service", "Install"]


@needs_systemd
def test_the_unit_passes_the_exposure_gate() -> None:
    gate = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_LIMIT}", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert gate.returncode == 0, gate.stdout[-400:] + gate.stderr


@needs_systemd
def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    """The program of the unit is not installed here, so another one that exists stands in for it."""
    copy = tmp_path / "auditor.service"
    text = UNIT.read_text(encoding="utf-8")
    copy.write_text(text.replace("/opt/auditor/bin/auditor", sys.executable), encoding="utf-8")
    verified = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert (verified.returncode, [line for line in verified.stderr.splitlines() if str(copy) in line]) == (0, [])


def test_the_example_configuration_is_one_the_daemon_accepts() -> None:
    loaded = read(DEPLOY / "auditor.yaml", need_keys=False)
    assert set(loaded.document.value) <= set(Config.model_fields)  # type: ignore[call-overload]
    assert loaded.config.web.listen == "127.0.0.1:9847"
    assert sinks_of(loaded)


def test_the_slack_app_asks_for_no_more_than_it_needs() -> None:
    manifest = yaml.safe_load((DEPLOY / "slack-manifest.yaml").read_text(encoding="utf-8"))
    assert manifest["oauth_config"] == {"scopes": {"bot": ["chat:write", "users:read", "users:read.email", "im:write"]}}
    assert manifest["settings"]["socket_mode_enabled"] is True
    assert manifest["settings"]["interactivity"] == {"is_enabled": True}
    assert set(manifest["features"]) == {"bot_user"}
