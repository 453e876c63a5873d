"""A running daemon with a certificate and a file of users: decisions of its page, and what a reload makes of both."""

import base64
import re
import signal
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import trustme
from commands import KEY, configured
from daemons import Running, running
from deciding import ADA, BO, HASH, PASSWORD, day
from organization import served, small

from auditor.store import findings, transitions
from auditor.store.database import open_store
from auditor.terms import State


@dataclass
class World:
    """The daemon, its files, and how a browser reaches it."""

    daemon: Running
    config: Path
    users: Path
    http: httpx.Client

    def as_(self, name: str) -> dict[str, str]:
        sent = base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()
        return {"authorization": f"Basic {sent}", "sec-fetch-site": "same-origin"}

    def reload(self) -> None:
        """SIGHUP, and wait until it was heard."""
        before = [line["event"] for line in self.daemon.log].count("config.reloaded")
        self.daemon.process.send_signal(signal.SIGHUP)
        self.daemon.says("config.reloaded", before + 1)

    def worst(self) -> str:
        """Path of the page of one open finding."""
        self.daemon.says("snapshot.taken")
        page = self.http.get("/findings?state=open", headers=self.as_(ADA)).text
        return str(re.findall(r'href="(/findings/[0-9a-f]{16})"', page)[0])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1", "localhost")
    made.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    made.private_key_pem.write_to_path(tmp_path / "key.pem")
    users = tmp_path / "users"
    users.write_text(f"{ADA}:{HASH}\n{BO}:{HASH}\n")
    web = {
        "listen": "127.0.0.1:0",
        "users_file": str(users),
        "deciders": [ADA],
        "tls": {"cert_file": str(tmp_path / "cert.pem"), "key_file": str(tmp_path / "key.pem")},
    }
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with served(small(), keys={KEY}) as (api, _):
        config = configured(tmp_path, api, web=web, schedule={"snapshot": "2s", "audit_log": "1s"})
        with running(config) as daemon:
            url = daemon.events("started")[0]["page"]
            with httpx.Client(base_url=url, verify=trusting, timeout=30) as http:
                yield World(daemon, config, users, http)


def test_what_is_decided_on_the_page_of_a_daemon_stands_in_its_store_and_outlives_it(world: World) -> None:
    assert str(world.http.base_url).startswith("https://")
    assert world.http.get("/livez").status_code == 200
    assert world.http.get("/metrics").status_code == 401
    path = world.worst()
    answer = world.http.post(f"{path}/acknowledge", data={"comment": "seen"}, headers=world.as_(BO))
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    form = {"key": "a" * 16, "reason": "moves", "until": day(30)}
    assert world.http.post(f"{path}/waive", data=form, headers=world.as_(BO)).status_code == 403
    assert world.http.post(f"{path}/waive", data=form, headers=world.as_(ADA)).status_code == 303
    assert (
        'auditor_page_decisions_total{result="waived"} 1.0' in world.http.get("/metrics", headers=world.as_(ADA)).text
    )
    world.daemon.stop()
    store = open_store(f"sqlite:///{world.config.parent}/auditor.db")
    with store.transaction() as tx:
        id_ = path.rpartition("/")[2]
        found, rows = findings.by_ids(tx, [id_])[id_], transitions.of_finding(tx, id_)
    store.close()
    assert found.state is State.WAIVED
    assert [(row.reason.value, row.by) for row in rows][1:] == [("acknowledged", BO), ("waived", ADA)]
    logged = world.daemon.errors.read_text(encoding="utf-8")
    assert not [word for word in (PASSWORD, HASH, ADA, BO) if word in logged]


def test_a_reload_takes_people_in_and_out_at_once_and_a_broken_file_of_them_keeps_the_old(world: World) -> None:
    def status(name: str) -> int:
        return world.http.get("/findings", headers=world.as_(name)).status_code

    assert [status(name) for name in (ADA, BO, "cy@example.com")] == [200, 200, 401]
    world.users.write_text(f"{ADA}:{HASH}\ncy@example.com:{HASH}\n")
    assert [status(name) for name in (BO, "cy@example.com")] == [200, 401], "not before somebody says so"
    world.reload()
    assert [status(name) for name in (ADA, BO, "cy@example.com")] == [200, 401, 200]
    world.users.write_text("cy@example.com:letmein\n")
    world.daemon.process.send_signal(signal.SIGHUP)
    world.daemon.says("config.refused")
    assert [status(name) for name in (ADA, BO, "cy@example.com")] == [200, 401, 200]
    assert "letmein" not in world.daemon.errors.read_text(encoding="utf-8")


def test_users_that_are_gone_from_the_configuration_open_the_page_to_nobody(world: World) -> None:
    text = world.config.read_text(encoding="utf-8")
    assert world.http.get("/findings", headers=world.as_(ADA)).status_code == 200
    world.config.write_text(re.sub(r'"users_file": "[^"]+",\s+"deciders": \[[^]]+\],', "", text), encoding="utf-8")
    world.reload()
    assert world.http.get("/findings").status_code == 401
    assert world.http.get("/findings", headers=world.as_(ADA)).status_code == 401
    assert world.http.get("/livez").status_code == 200
    world.config.write_text(text, encoding="utf-8")
    world.reload()
    assert world.http.get("/findings", headers=world.as_(ADA)).status_code == 200
