"""A real broker: one node of Apache Kafka on loopback, from the jars of Maven Central."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from tests.serve.certificates import Authority

ROOT = Path(__file__).resolve().parents[2]
_POM = Path(__file__).with_name("pom.xml")
_SECONDS = 90
USER, PASSWORD = "mlship", "opensesame-1"


def missing() -> str | None:
    """Return why no broker can be started here, or None."""
    for tool, package in (("java", "openjdk-17-jre-headless"), ("mvn", "maven")):
        if shutil.which(tool) is None:
            return f"there is no {tool}; Debian has it as {package}"
    return None


def jars() -> Path:
    """Return the folder of the broker's jars, which are fetched once."""
    known = hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]
    folder = ROOT / ".cache" / f"kafka-{known}"
    if not folder.is_dir():
        part = folder.with_name(f"{folder.name}.{os.getpid()}")
        command = ["mvn", "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies", f"-DoutputDirectory={part}"]
        subprocess.run(command, check=True, timeout=600)
        try:
            part.rename(folder)
        except OSError:  # another process was faster
            shutil.rmtree(part)
    return folder


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@dataclass
class Broker:
    """One node, broker and controller in one.

    Attributes:
        folder: Where its data is; what it said is in `broker.log` there.
        port: Where it listens for clients.
        far_port: Where it listens for those who come through a proxy.
        proxy_port: What it tells those of where it is: the proxy's port.
        safe_port: Where it listens for who comes over TLS, and shows by SASL that he is `USER`.
    """

    folder: Path
    port: int = field(default_factory=free_port)
    far_port: int = field(default_factory=free_port)
    proxy_port: int = field(default_factory=free_port)
    safe_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def authority(self) -> Path:
        """The certificate that vouches for it."""
        return self.folder / "authority.pem"

    @property
    def address(self) -> str:
        """Where clients find it."""
        return f"127.0.0.1:{self.port}"

    def format(self) -> None:
        """Make its data folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        controller = free_port()
        pair = Authority(self.folder).pair("broker")
        both = self.folder / "keystore.pem"
        both.write_bytes(pair.key.read_bytes() + pair.cert.read_bytes())
        login = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        (self.folder / "server.properties").write_text(
            "\n".join(
                (
                    "process.roles=broker,controller",
                    "node.id=1",
                    (
                        f"listeners=NEAR://127.0.0.1:{self.port},FAR://127.0.0.1:{self.far_port},"
                        f"SAFE://127.0.0.1:{self.safe_port},CONTROLLER://127.0.0.1:{controller}"
                    ),
                    (
                        f"advertised.listeners=NEAR://127.0.0.1:{self.port},FAR://127.0.0.1:{self.proxy_port},"
                        f"SAFE://127.0.0.1:{self.safe_port}"
                    ),
                    "listener.name.safe.sasl.enabled.mechanisms=PLAIN",
                    f"listener.name.safe.plain.sasl.jaas.config={login}",
                    "listener.name.safe.ssl.keystore.type=PEM",
                    f"listener.name.safe.ssl.keystore.location={both}",
                    "inter.broker.listener.name=NEAR",
                    f"controller.quorum.voters=1@127.0.0.1:{controller}",
                    "controller.listener.names=CONTROLLER",
                    "listener.security.protocol.map=CONTROLLER:PLAINTEXT,NEAR:PLAINTEXT,FAR:PLAINTEXT,SAFE:SASL_SSL",
                    f"log.dirs={self.folder / 'data'}",
                    "offsets.topic.replication.factor=1",
                    "offsets.topic.num.partitions=4",
                    "transaction.state.log.replication.factor=1",
                    "transaction.state.log.min.isr=1",
                    "transaction.state.log.num.partitions=4",
                    "share.coordinator.state.topic.replication.factor=1",
                    "share.coordinator.state.topic.min.isr=1",
                    "group.initial.rebalance.delay.ms=0",
                    "group.min.session.timeout.ms=1000",
                    "auto.create.topics.enable=false",
                    "message.max.bytes=20000000",
                    "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                    "allow.everyone.if.no.acl.found=true",
                    "",
                )
            ),
            encoding="utf-8",
        )
        name = uuid.uuid4()
        self._run("kafka.tools.StorageTool", "format", "-t", str(name), "-c", str(self.folder / "server.properties"))

    def _java(self, name: str, *arguments: str) -> list[str]:
        return [
            "java",
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            f"{jars()}/*",
            name,
            *arguments,
        ]

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(self._java(name, *arguments), check=True, capture_output=True, timeout=_SECONDS)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        log = (self.folder / "broker.log").open("ab")
        command = self._java("kafka.Kafka", str(self.folder / "server.properties"))
        self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        log.close()
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until:
            assert self._process.poll() is None, (self.folder / "broker.log").read_text()[-3000:]
            try:
                if admin.list_topics(timeout=1).brokers:
                    return
            except KafkaException:
                time.sleep(0.2)
        raise TimeoutError((self.folder / "broker.log").read_text()[-3000:])

    def stop(self, signum: int = signal.SIGTERM) -> None:
        """End it; its data stays."""
        if self._process is not None:
            self._process.send_signal(signum)
            self._process.wait(timeout=60)
            self._process = None

    def signal(self, signum: int) -> None:
        """Send it a signal, such as to stop and to go on."""
        assert self._process is not None
        self._process.send_signal(signum)

    def topic(self, name: str, partitions: int = 4, **settings: str) -> str:
        """Make a topic."""
        from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # it is public all the same

        admin = AdminClient({"bootstrap.servers": self.address})
        made = admin.create_topics([NewTopic(name, partitions, 1, config=settings)])
        made[name].result(30)
        return name

    def has(self, topic: str) -> bool:
        """Tell whether a topic is there."""
        from confluent_kafka.admin import AdminClient

        return topic in AdminClient({"bootstrap.servers": self.address}).list_topics(timeout=10).topics

    def deny_writing(self, topic: str) -> None:
        """Take the right to write to a topic from everybody."""
        from confluent_kafka.admin import (  # type: ignore[attr-defined]  # as above
            AclBinding,
            AclOperation,
            AclPermissionType,
            AdminClient,
            ResourcePatternType,
            ResourceType,
        )

        who = (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*")
        rules = [
            AclBinding(*who, AclOperation.ALL, AclPermissionType.ALLOW),  # where there is a rule, all else is denied
            AclBinding(*who, AclOperation.WRITE, AclPermissionType.DENY),
        ]
        admin = AdminClient({"bootstrap.servers": self.address})
        for done in admin.create_acls(rules).values():
            done.result(30)
