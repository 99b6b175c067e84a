# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures: a configuration directory, and modules as separate processes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).resolve().parents[2]
UNPRIVILEGED = 65534
LIMIT = 60

FULL = bool(os.environ.get("FULL"))
"""Whether to run the full numbers of kills and pairs of runs, instead of an eighth and a fifth of them."""

SEED = int(os.environ.get("SEED", "0"))
"""The seed of the times at which runs are killed and started."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Batches of kills."""
    if "batch" in metafunc.fixturenames:
        metafunc.parametrize("batch", range(8 if FULL else 1))


@pytest.fixture(scope="session")
def full() -> bool:
    """FULL."""
    return FULL


@pytest.fixture(scope="session")
def seed() -> int:
    """SEED."""
    return SEED


@dataclass(frozen=True)
class Result:
    """The result of a run of a module."""

    status: int
    """The exit status; -9 if it was killed."""
    output: Mapping[str, Any]
    """The printed result; empty if it was killed before."""
    errors: str

    @property
    def message(self) -> str:
        """The error message."""
        return str(self.output.get("msg", ""))

    def succeeded(self) -> Mapping[str, Any]:
        """The printed result of a run that must succeed."""
        assert self.status == 0, f"{self.status} {self.message} {self.errors}"
        return self.output

    def refused(self) -> str:
        """The message of a run that must fail with a message."""
        assert self.status == 1 and self.message and not self.errors, f"{self.status} {self.output} {self.errors}"
        return self.message


class Run:
    """A running module."""

    def __init__(self, modules: Modules, process: int, output: str) -> None:
        self.process = process
        self._modules = modules
        self._output = output

    def alive(self) -> bool:
        """Whether it is still running."""
        with suppress(OSError), open(f"/proc/{self.process}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
        return False

    def until(self, condition: Callable[[], bool]) -> bool:
        """Wait until the condition holds; False if the run ends first."""
        end = time.monotonic() + LIMIT
        while not condition():
            if not self.alive():
                return False
            assert time.monotonic() < end, "the run neither reached the condition nor ended"
            time.sleep(0.0003)
        return True

    def signal(self, number: int) -> None:
        """Send a signal to it and the programs that it runs."""
        with suppress(ProcessLookupError):
            os.killpg(self.process, number)

    def kill(self) -> Result:
        """Kill it and the programs that it runs."""
        self.signal(signal.SIGKILL)
        return self.result()

    def result(self) -> Result:
        """Wait until it ends."""
        status = self._modules.request({"wait": self.process})
        printed = Path(self._output).read_text(encoding="utf-8")
        errors = Path(f"{self._output}.errors").read_text(encoding="utf-8")
        for path in (self._output, f"{self._output}.errors"):
            os.unlink(path)
        return Result(status, json.loads(printed) if printed.strip().endswith("}") else {}, errors)


class Modules:
    """Runs modules."""

    def __init__(self, scratch: Path, prefix: Sequence[str] = ()) -> None:
        self.scratch = scratch
        self._count = 0
        self._server = subprocess.Popen(
            [*prefix, sys.executable, str(Path(__file__).with_name("fork_server.py"))],
            env={**os.environ, "PYTHONPATH": str(ROOT / ".ansible/collections"), "TMPDIR": str(scratch)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def request(self, request: Mapping[str, Any]) -> int:
        """Send a request to the fork server; return the answer."""
        assert self._server.stdin and self._server.stdout
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        assert answer, "the fork server has terminated"
        return int(answer)

    def start(
        self,
        options: Mapping[str, Any],
        check_mode: bool = False,
        user: int = 0,
        environment: Mapping[str, str] | None = None,
        pace: float = 0.0,
        module: str = "configuration",
    ) -> Run:
        """Start a module without waiting for it.

        :param pace: seconds to pause after each rename, link and unlink, which are otherwise too fast for a test.
        """
        self._count += 1
        output = str(self.scratch / f"result-{self._count}")
        arguments = {**options, "_ansible_check_mode": check_mode, "_ansible_diff": True}
        process = self.request(
            {
                "module": module,
                "options": arguments,
                "output": output,
                "user": user,
                "environment": dict(environment or {}),
                "pace": pace,
            }
        )
        return Run(self, process, output)

    def __call__(self, options: Mapping[str, Any], **arguments: Any) -> Result:
        """Run a module."""
        return self.start(options, **arguments).result()

    def close(self) -> None:
        """End the fork server."""
        assert self._server.stdin and self._server.stdout
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait(timeout=LIMIT)


@dataclass(frozen=True)
class State:
    """All files below a directory at one time."""

    files: Mapping[str, tuple[object, ...]]
    """For each name: type and mode, owner, group, inode, modification time, digest or target."""
    contents: Mapping[str, bytes]

    @classmethod
    def of(cls, directory: Path) -> State:
        files: dict[str, tuple[object, ...]] = {}
        contents = {}
        for path, directories, names in os.walk(directory):
            for name in [".", *directories, *names]:
                full = os.path.join(path, name)
                relative = os.path.relpath(full, directory)
                status = os.lstat(full)
                digest = ""
                if stat.S_ISREG(status.st_mode):
                    contents[relative] = Path(full).read_bytes()
                    digest = hashlib.sha256(contents[relative]).hexdigest()
                elif stat.S_ISLNK(status.st_mode):
                    digest = os.readlink(full)
                files[relative] = (
                    status.st_mode,
                    status.st_uid,
                    status.st_gid,
                    status.st_ino,
                    # Creating and removing the lock changes the time of the directory.
                    0 if stat.S_ISDIR(status.st_mode) else status.st_mtime_ns,
                    digest,
                )
        return cls(files, contents)


class Postfix:
    """The programs of the installed Postfix, on one configuration directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def run(self, program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [f"/usr/sbin/{program}", "-c", str(self.directory), *arguments],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=check,
            timeout=LIMIT,
        )

    def reads_everything(self) -> None:
        """Check that postconf(1) reads main.cf and master.cf without warnings."""
        for option in ("-n", "-Mf"):
            done = self.run("postconf", option, check=False)
            assert (done.returncode, done.stderr) == (0, b""), done
            assert done.stdout.strip()

    def table(self, kind: str, path: str) -> bytes:
        """The entries of a compiled table."""
        return b"".join(sorted(self.run("postmap", "-s", f"{kind}:{self.directory / path}").stdout.splitlines(True)))

    def contents(self) -> dict[str, bytes]:
        """All files; the entries of a Berkeley DB table, because each such file has a unique id."""
        result = dict(State.of(self.directory).contents)
        for name, content in result.items():
            if name.endswith(".db") and ".new" not in name:
                kind = "hash" if content[12:16] == b"\x61\x15\x06\x00" else "btree"
                result[name] = self.table(kind, name[: -len(".db")])
        return result


class Certificates:
    """Key and certificate files for tests, generated once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def make(self, name: str) -> x509.Certificate:
        """Generate a self-signed certificate, NAME.pem, and its key, NAME.key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name}.example.test")])
        now = datetime.now(timezone.utc)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=90))
            .add_extension(x509.BasicConstraints(True, None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(f"{name}.example.test")]), critical=False)
            .sign(key, hashes.SHA256())
        )
        (self.directory / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        private = self.directory / f"{name}.key"
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        private.chmod(0o600)
        return certificate

    def path(self, name: str) -> str:
        return str(self.directory / name)


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Show which files differ, and how, instead of complete contents."""
    if op != "==":
        return None
    if isinstance(left, State) and isinstance(right, State):
        left, right = left.files, right.files
    if not (isinstance(left, dict) and isinstance(right, dict)):
        return None
    return [
        f"{len(left)} files == {len(right)} files",
        *(
            f"{name}: {str(left.get(name, 'does not exist'))[-200:]} != {str(right.get(name, 'does not exist'))[-200:]}"
            for name in sorted(set(left) | set(right))
            if left.get(name) != right.get(name)
        ),
    ]


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    """Fail without root or Postfix, which the tests require."""
    if os.geteuid():
        pytest.fail("these tests change owners, mount file systems and become other users: run them as root")
    for program in ("postconf", "postmap", "postfix"):
        if not os.access(f"/usr/sbin/{program}", os.X_OK):
            pytest.fail(f"there is no /usr/sbin/{program}: install Postfix (make setup)")


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A directory that all users can enter; those of pytest are accessible to root only."""
    path = Path(tempfile.mkdtemp(prefix="endurance-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def modules(scratch: Path) -> Iterator[Modules]:
    """Modules in separate processes."""
    directory = scratch / "tmp"
    directory.mkdir()
    directory.chmod(0o1777)
    server = Modules(directory)
    yield server
    server.close()


@pytest.fixture(scope="session")
def certificates(scratch: Path) -> Certificates:
    """Certificates a and b, and CAs one and two."""
    directory = scratch / "issued"
    directory.mkdir()
    issued = Certificates(directory)
    for name in ("a", "b", "one", "two"):
        issued.make(name)
    return issued


@pytest.fixture
def directory(scratch: Path) -> Iterator[Path]:
    """Debian's configuration directory, with old modification times, so that Postfix reads it without waiting."""
    path = Path(tempfile.mkdtemp(prefix="postfix-", dir=scratch))
    path.chmod(0o755)
    lay_out(path)
    yield path
    shutil.rmtree(path)


def lay_out(path: Path, main_cf: str = "debian-12", master_cf: str = "debian-12") -> None:
    """Copy files of the corpus."""
    for name, source in (("main.cf", main_cf), ("master.cf", master_cf)):
        shutil.copyfile(ROOT / "tests/corpus" / name / source, path / name)
        os.utime(path / name, (1, 1))


@pytest.fixture
def postfix(directory: Path) -> Postfix:
    """The installed Postfix on the configuration directory."""
    return Postfix(directory)


@pytest.fixture(scope="session")
def look() -> Callable[[Path], State]:
    """Returns the state of a directory."""
    return State.of


@pytest.fixture
def state(directory: Path) -> Any:
    """Returns the state of the configuration directory."""
    return lambda: State.of(directory)


@pytest.fixture
def declared(directory: Path, certificates: Certificates) -> Any:
    """Two declarations, a and b, with different content in every file: main.cf, master.cf, two tables and their compiled files, TLS policy,
    chain file and CA bundle."""

    def declare(which: str) -> dict[str, Any]:
        return {
            "config_directory": str(directory),
            "main_cf": {
                "smtpd_banner": f"$myhostname {which}",
                "smtp_tls_security_level": {"a": "may", "b": "encrypt"}[which],
                "smtpd_tls_security_level": "may",
            },
            "master_cf": [
                {"service": "submission/inet", "command": "smtpd", "options": {"syslog_name": f"postfix/{which}"}},
            ],
            "lookup_tables": [
                {
                    "path": "transport",
                    "type": "hash",
                    "exclusive": True,
                    "entries": {f"{number}.example.test": f"smtp:[{which}.example.test]" for number in range(500)},
                    "parameter": "transport_maps",
                },
                {
                    "path": "recipients",
                    "type": "cdb",
                    "exclusive": True,
                    "entries": {f"{number}@example.test": which for number in range(500)},
                    "parameter": "relay_recipient_maps",
                },
            ],
            "tls_policy": {
                "policies": [{"nexthop": f"[{which}.example.test]", "level": "encrypt"}],
                "exclusive": True,
                "type": "hash",
            },
            "certificates": [
                {
                    "name": "mx",
                    "provider": "files",
                    "certificate": certificates.path(f"{which}.pem"),
                    "private_key": certificates.path(f"{which}.key"),
                    "chain_file": "tls/mx.pem",
                }
            ],
            "ca_bundle": {"extra": [certificates.path({"a": "one.pem", "b": "two.pem"}[which])]},
        }

    return declare
