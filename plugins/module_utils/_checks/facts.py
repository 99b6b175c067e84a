# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The facts of a host that checks need, as interfaces: the checks themselves are pure. Private to mailops.postfix. Pure.

``_host.system.Host`` and ``_host.dns_message`` provide them.
"""

from __future__ import annotations

from typing import Protocol, Sequence


class FileStatus(Protocol):
    """The status of a file (stat(2))."""

    @property
    def st_mode(self) -> int:
        """File type and permission bits."""

    @property
    def st_size(self) -> int:
        """Size in bytes."""


class ListeningSocket(Protocol):
    """A TCP socket that listens."""

    @property
    def address(self) -> str:
        """Its local address."""

    @property
    def port(self) -> int:
        """Its port."""

    @property
    def inode(self) -> str:
        """Its inode number, as /proc shows it."""


class HostFacts(Protocol):
    """Files, accounts, addresses and ports of a host."""

    def status(self, path: str) -> FileStatus | None:
        """The status of a file behind symbolic links; None if it does not exist."""

    def readable_by(self, path: str, user: str) -> bool:
        """Whether a user may read a file; True where that cannot be determined."""

    def has_user(self, name: str) -> bool:
        """Whether a user of this name or number exists."""

    def has_group(self, name: str) -> bool:
        """Whether a group of this name or number exists."""

    def port(self, name: str) -> int | None:
        """The TCP port of a name in services(5)."""

    def addresses(self, name: str) -> tuple[str, ...]:
        """The addresses of a host name or of an address; empty if it cannot be resolved."""

    def has_address(self, address: str) -> bool:
        """Whether a program may listen on this address."""

    def listeners(self) -> Sequence[ListeningSocket]:
        """The TCP sockets that listen now."""

    def holder(self, inode: str) -> str:
        """The process that holds a socket, as ``program (process 123)``; empty if that cannot be determined."""

    def has_tls_group(self, name: str) -> bool:
        """Whether OpenSSL has a key exchange group; True if that cannot be determined."""

    def master(self, queue_directory: str) -> frozenset[str]:
        """The inode numbers of the sockets of the master(8) of a queue."""


class DnsQuestion(Protocol):
    """A DNS question."""

    @property
    def name(self) -> str:
        """The domain name."""


class DnsAnswer(Protocol):
    """The header of a DNS answer."""

    @property
    def rcode(self) -> str:
        """The response code, such as NOERROR."""

    @property
    def validated(self) -> bool:
        """The AD bit: the nameserver has validated the answer."""

    @property
    def truncated(self) -> bool:
        """The TC bit."""
