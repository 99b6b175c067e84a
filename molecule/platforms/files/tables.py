# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lookup tables of a Debian host, the same on each host, with texts of all forms.

write  write the texts, and refer to them with type hash, as Debian's administrators do
dump   print the entries of the compiled tables as main.cf refers to them
"""

import os
import random
import subprocess
import sys

DIRECTORY = "/etc/postfix/tables"
TABLES = 100


def text(number):
    """The text of a table: folded values, comments, quoted keys, upper case, UTF-8, and blanks of all kinds."""
    choose = random.Random(number)
    lines = [f"# table {number}\n", "\n"]
    for entry in range(choose.randint(0, 120)):
        name = f"{choose.choice(['user', 'User', 'ÜSER', '+ext', '@'])}{entry}"
        key = choose.choice([name, f"{name}@Example.COM", f'"{name} with blanks"@example.com', f"{name}.example.org."])
        value = choose.choice(
            ["bob", "a@x.test, b@y.test", "smtp:[hub.example.test]:587", "x" * 3000, "größe = $5 \\ %s", "#no comment"]
        )
        blank = choose.choice([" ", "\t", "  \t "])
        fold = choose.choice(["", f"\n{blank}folded", f"\n# inside\n{blank}after a comment"])
        lines.append(f"{key}{blank}{value}{fold}{choose.choice(['', ' ', blank])}\n")
    return "".join(lines)


def write():
    """Write the texts; compile them if this Postfix has the type hash."""
    os.makedirs(DIRECTORY, exist_ok=True)
    tables = [f"hash:{DIRECTORY}/table{number}" for number in range(TABLES)]
    for number, table in enumerate(tables):
        with open(table.partition(":")[2], "w", encoding="utf-8") as file:
            file.write(text(number))
    subprocess.run(["postconf", "-e", f"virtual_alias_maps = {', '.join(tables)}"], check=True)
    if "hash" in subprocess.run(["postconf", "-m"], capture_output=True, check=True, text=True).stdout.split():
        subprocess.run(["postmap", *tables], check=True)


def dump():
    """Print each table's entries, sorted."""
    value = subprocess.run(["postconf", "-h", "virtual_alias_maps"], capture_output=True, check=True, text=True).stdout
    for table in value.replace(",", " ").split():
        entries = subprocess.run(["postmap", "-s", table], capture_output=True, check=True).stdout.splitlines()
        print(os.path.basename(table), len(entries))
        sys.stdout.flush()
        sys.stdout.buffer.write(b"".join(entry + b"\n" for entry in sorted(entries)))


write() if sys.argv[1] == "write" else dump()
