# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads a Postfix instance on disk. Private to mailops.postfix. :mod:`runner` runs its programs."""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from .._errors import GrammarError, HostError, PostfixError
from .._formats import main_cf as main_cf_format
from .._formats import master_cf as master_cf_format
from .._formats.lines import to_text
from .._model.secrets import Secrets
from .runner import BackgroundCall, Completed, Runner, run_program

_UNUSED = re.compile(r"/(main|master)\.cf: unused parameter: ([^=\s]+)=")

_LOG_PREFIX = re.compile(r"^.*?\[\d+\]: ")

_CHECKED: Dict[Tuple[str, bytes, bytes, bool], Tuple[str, FrozenSet[str]]] = {}

# Facts about the postconf process, not about Postfix.
_OF_POSTCONF_ITSELF = ("process_id", "process_name")


class Instance:
    """A Postfix instance: reads values on first use, and keeps them. Each plan creates a new one."""

    def __init__(self, config_directory: Optional[str] = None, run: Runner = run_program) -> None:
        """
        :param config_directory: the configuration directory; None for the default of postconf(1).
        :param run: runs programs.
        :raises HostError: if Postfix is not installed, or the directory has no main.cf.
        """
        self._run = run
        self._started: Set[Tuple[str, ...]] = set()
        self._begun: Dict[Tuple[Any, ...], BackgroundCall] = {}
        if config_directory is None:
            answer = self.run("postconf", "-h", "config_directory")
            config_directory = to_text(answer.stdout).strip()
        self.config_directory = os.path.abspath(config_directory)
        self._commands: Mapping[str, Tuple[str, ...]] = {
            "parameters": ("postconf", "-c", self.config_directory),
            "map_types": ("postconf", "-c", self.config_directory, "-m"),
            "defaults": ("postconf", "-d"),
        }
        if not os.path.isfile(self.path("main.cf")):
            raise HostError(
                "reading",
                self.path("main.cf"),
                "there is no such file",
                "Name an existing Postfix configuration in config_directory",
            )

    def path(self, name: str) -> str:
        """A file in the configuration directory; absolute names stay."""
        return os.path.join(self.config_directory, name)

    @cached_property
    def secrets(self) -> Secrets:
        """The secrets in main.cf and master.cf."""
        return self._secrets_of(self.main_cf, self.master_cf)

    def _secrets_of(self, main_cf: bytes, master_cf: bytes) -> Secrets:
        settings: List[Mapping[str, str]] = []
        # A file that Postfix can't read is reported by its line.
        with suppress(GrammarError):
            settings += [{entry.name: entry.value} for entry in main_cf_format.main_entries(main_cf)]
        with suppress(GrammarError):
            settings += [entry.effective_options for entry in master_cf_format.master_entries(master_cf)]
        return Secrets(*settings)

    def run(self, *argv: str, stdin: Optional[bytes] = None, check: bool = True) -> Completed:
        """Run a program.

        :param check: raise HostError with its error output if its exit status is not 0.
        """
        self._started.add(argv)
        begun = self._begun.pop(argv, None)
        done = self._run(argv, stdin) if begun is None else begun.get()
        if check and done.returncode != 0:
            raise HostError("running", self.secrets.cut(" ".join(argv)), self.secrets.cut(done.complaint))
        return done

    def unchecked(self, argv: Sequence[str], stdin: Optional[bytes]) -> Completed:
        """Run a program, as a Runner does."""
        return self.run(*argv, stdin=stdin, check=False)

    def begin(self, *names: str) -> None:
        """Start the commands of ``parameters``, ``map_types`` or ``defaults`` in the background."""
        for name in names:
            argv = self._commands[name]
            if argv not in self._started and argv not in self._begun:
                self._begun[argv] = BackgroundCall(partial(self._run, argv, None))

    def end(self) -> None:
        """Wait for commands that were started in the background and not used."""
        while self._begun:
            self._begun.popitem()[1].join()

    def read(self, path: str) -> Optional[bytes]:
        """The content of a file, through symbolic links; None if it does not exist."""
        try:
            with open(self.path(path), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HostError("reading", self.path(path), error.strerror or str(error)) from error

    def entries(self, map_type: str, path: str) -> Optional[Dict[str, str]]:
        """The entries of a keyed table's text, with lower-case keys; None if it does not exist."""
        # Here and below, imports that few runs need are in the functions.
        from .._formats import lookup_table

        text = self.read(path)
        if text is None:
            return None
        return {to_text(key): to_text(value) for key, value in lookup_table.contents(text, map_type).items()}

    @cached_property
    def main_cf(self) -> bytes:
        """The bytes of main.cf."""
        return self.read("main.cf") or b""

    @cached_property
    def master_cf(self) -> bytes:
        """The bytes of master.cf; empty if there is none."""
        return self.read("master.cf") or b""

    @cached_property
    def main_entries(self) -> Mapping[str, main_cf_format.MainEntry]:
        """The settings of main.cf by name; of duplicates the last."""
        return {entry.name: entry for entry in main_cf_format.main_entries(self.main_cf, self.path("main.cf"))}

    @cached_property
    def explicit(self) -> Dict[str, str]:
        """The settings of main.cf, unexpanded."""
        return {name: entry.value for name, entry in self.main_entries.items()}

    @cached_property
    def _postconf(self) -> Completed:
        """The output of postconf(1): all parameters, and the same warnings as ``postconf -n``."""
        return self.run(*self._commands["parameters"], check=False)

    @cached_property
    def defaults(self) -> Mapping[str, str]:
        """The default values of all parameters."""
        return parse_postconf(to_text(self.run(*self._commands["defaults"], check=False).stdout))

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """All parameters of this Postfix, with their effective values as postconf(1) prints them."""
        answer = self._postconf
        if answer.returncode != 0:
            if "inet_interfaces" not in answer.complaint:
                raise HostError("running", " ".join(answer.argv), self.secrets.cut(answer.complaint))
            answer = self._without_interfaces("parameters")
        values = parse_postconf(to_text(answer.stdout))
        if answer is not self._postconf:
            values["inet_interfaces"] = self.explicit.get("inet_interfaces", "")
        return {name: value for name, value in values.items() if name not in _OF_POSTCONF_ITSELF}

    @cached_property
    def version(self) -> Tuple[int, ...]:
        """The version of Postfix, for example ``(3, 7, 11)``."""
        text = (self.parameters if self.is_readable() else self.defaults).get("mail_version", "")
        numbers = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
        if not numbers:
            raise HostError("reading", "mail_version", f"postconf answers {text!r}")
        return tuple(int(number) for number in numbers.groups() if number is not None)

    @cached_property
    def map_types(self) -> FrozenSet[str]:
        """The lookup table types of this Postfix (postconf -m)."""
        done = self.run(*self._commands["map_types"], check=False)
        return frozenset(
            to_text((done if done.returncode == 0 else self._without_interfaces("map_types")).stdout).split()
        )

    def _without_interfaces(self, name: str) -> Completed:
        """The output of a command that does not start while inet_interfaces has an address that this host lacks.

        :raises HostError: if that is not the reason.
        """
        with self.staged(
            main_cf_format.edit_main_cf(self.main_cf, {"inet_interfaces": None}, self.path("main.cf")), self.master_cf
        ) as staged:
            return staged.run(*staged._commands[name])

    def chrooted(self, service: str = "smtp/unix") -> bool:
        """Whether master(8) runs a service in a chroot, by its column, or for ``-`` by the compatibility level (master(5))."""
        name, _slash, kind = service.rpartition("/")
        entry = master_cf_format.find_entry(self.master_cf, name, kind, self.path("master.cf"))
        if entry is None:
            return False
        column = entry.column("chroot")
        if column != "-":
            return column == "y"
        level = re.match(r"\d+", self.parameters.get("compatibility_level", "0"))
        return self.version < (3, 0) or not level or int(level.group()) < 1

    @cached_property
    def complaints(self) -> str:
        """The warnings of postconf(1) about main.cf and master.cf; HostError if it can't read them."""
        answer = self._postconf
        if answer.returncode != 0:
            raise HostError(
                "checking", self.config_directory, f"postconf can't read it: {self.secrets.cut(answer.complaint)}"
            )
        return to_text(answer.stderr)

    def must_be_readable(self) -> None:
        """Raise HostError if postconf(1) can't read main.cf and master.cf."""
        _complaints = self.complaints

    def is_readable(self) -> bool:
        """Whether postconf(1) can read main.cf and master.cf."""
        return self._postconf.returncode == 0

    @cached_property
    def unused(self) -> FrozenSet[Tuple[str, str]]:
        """Settings that this Postfix does not use: pairs of ``main`` or ``master`` and the name."""
        return frozenset(_UNUSED.findall(self.complaints))

    def running(self) -> bool:
        """Whether master(8) runs: it locks its pid file. (``postfix status`` checks the same, and logs it.)"""
        try:
            with open(os.path.join(self._queue_directory(), "pid", "master.pid"), "rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def _queue_directory(self) -> str:
        """The queue directory, also of a configuration that postconf(1) can't read, with which master(8) may run on."""
        if self.is_readable():
            return self.parameters.get("queue_directory", "")
        with suppress(PostfixError):
            if "queue_directory" in self.explicit:
                return self.explicit["queue_directory"]
        return self.defaults.get("queue_directory", "")

    @contextmanager
    def staged(self, main_cf: bytes, master_cf: bytes) -> Iterator[Instance]:
        """This instance with other texts, in a temporary directory that only root can read, with symbolic links to all other files.

        A HostError that leaves the context names the instance's own directory, which is the one that the user knows.
        """
        with _scratch() as directory:
            self._stage(directory, main_cf, master_cf)
            staged = Instance(directory, self._run)
            try:
                yield staged
            except HostError as error:
                words = (error.action, error.subject, error.cause, error.remedy)
                raise HostError(*(word.replace(directory, self.config_directory) for word in words)) from error
            finally:
                staged.end()

    def _stage(self, directory: str, main_cf: bytes, master_cf: bytes) -> None:
        for name in os.listdir(self.config_directory):
            if name not in ("main.cf", "master.cf", "main.cf.tmp", "master.cf.tmp"):
                Path(directory, name).symlink_to(self.path(name))
        for name, text in (("main.cf", main_cf), ("master.cf", master_cf)):
            path = os.path.join(directory, name)
            with open(path, "wb") as file:
                file.write(text)
            # Postfix waits until a file is two seconds old.
            old = os.stat(path).st_mtime - 3
            os.utime(path, (old, old))

    def postfix_check(self, main_cf: bytes, master_cf: bytes, standalone: bool = False) -> Tuple[str, FrozenSet[str]]:
        """The result of ``postfix check`` for other texts: why it fails, or empty, and its warnings.

        It creates missing directories, moves misplaced queue files, reads the whole queue and writes to the mail log, so the
        staged copy has its own empty queue, data directory and log; our checks find missing directories. Without root, the
        result is empty.

        :param standalone: only run what every Postfix program checks at its start: ``postfix check`` takes as long as all
            else together.
        """
        if os.geteuid() != 0:
            return "", frozenset()
        key = (self.config_directory, main_cf, master_cf, standalone)
        if key not in _CHECKED:  # there may be two plans, before and under the lock
            begun = self._begun.pop(key, None)
            _CHECKED[key] = self._postfix_check(main_cf, master_cf, standalone) if begun is None else begun.get()
        return _CHECKED[key]

    def begin_postfix_check(self, main_cf: bytes, master_cf: bytes, standalone: bool = False) -> None:
        """Start :meth:`postfix_check` in the background."""
        key = (self.config_directory, main_cf, master_cf, standalone)
        if os.geteuid() == 0 and key not in _CHECKED:
            self._begun[key] = BackgroundCall(partial(self._postfix_check, main_cf, master_cf, standalone))

    def _postfix_check(self, main_cf: bytes, master_cf: bytes, standalone: bool) -> Tuple[str, FrozenSet[str]]:
        with _scratch() as directory:
            return self._postfix_check_in(directory, main_cf, master_cf, standalone)

    def _postfix_check_in(
        self, directory: str, main_cf: bytes, master_cf: bytes, standalone: bool
    ) -> Tuple[str, FrozenSet[str]]:
        paths = {name: os.path.join(directory, name) for name in ("etc", "queue", "data", "log")}
        for name in ("etc", "queue", "data"):
            Path(paths[name]).mkdir(mode=0o755)
        scratch = {
            "queue_directory": paths["queue"],
            "data_directory": paths["data"],
            "maillog_file": paths["log"],
            "maillog_file_prefixes": directory,
        }
        services = master_cf_format.master_entries(master_cf, self.path("master.cf"))
        if not any(service.column("command") == "postlogd" for service in services):
            master_cf = master_cf.rstrip(b"\n") + b"\npostlog unix-dgram n - n - 1 postlogd\n"
        self._stage(paths["etc"], main_cf_format.edit_main_cf(main_cf, scratch), master_cf)
        # postfix(1) reports what every program checks at its start to syslog only; postmap(1) prints it.
        done = self.run("postmap", "-c", paths["etc"], "-q", "x", "static:x", check=False)
        if done.returncode == 0 and not standalone:
            done = self.run("postfix", "-c", paths["etc"], "check", check=False)
        output = [_LOG_PREFIX.sub("", line) for line in self._lines(paths["log"])]
        output += to_text(done.stderr).split("\n")
        hidden = self._secrets_of(main_cf, master_cf)
        output = [hidden.cut(line.replace(paths["etc"], self.config_directory)) for line in output if line.strip()]
        fatal = [line for line in output if "fatal: " in line]
        failure = ""
        if done.returncode != 0:
            words = (fatal or output or [done.complaint])[-1]
            failure = words.partition("fatal: ")[2] or words
        # Without warnings about the temporary directories, and without those of postconf(1).
        complaints = [
            line.partition("warning: ")[2]
            for line in output
            if "warning: " in line
            and not any(word in line for word in (directory, self.config_directory, "postconf: "))
        ]
        return failure, frozenset(complaints)

    def _lines(self, path: str) -> Sequence[str]:
        return to_text(self.read(path) or b"").split("\n")


@contextmanager
def _scratch() -> Iterator[str]:
    """A temporary directory that only root can read, for a copy of the configuration.

    :raises HostError: if it can't be created.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="postfix-staged-") as directory:
            yield directory
    except OSError as error:
        where = error.filename or tempfile.gettempdir()
        remedy = "Free some space there, or set the environment variable TMPDIR to another directory"
        raise HostError("staging the configuration at", str(where), error.strerror or str(error), remedy) from error


def parse_postconf(text: str) -> Dict[str, str]:
    """Parse the ``name = value`` lines of postconf(1)."""
    result = {}
    for line in text.split("\n"):
        name, equals, value = line.partition(" =")
        if equals:
            result[name] = value.strip()
    return result
