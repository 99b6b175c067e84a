#!/usr/bin/env python
"""Measures how the CPU time of a plan grows with its input: parameters, services, entries, policies, domains, certificates.

Makes the plan of a run of `configuration` for synthetic instances with 1, 10, 100, 1,000 and 10,000 of each, each time in a separate
process, and counts the CPU seconds of the planners alone, without those of postconf(1) and openssl(1). Prints a table with the exponent of
each curve and draws them in docs/growth.svg. No network, no other host; needs Postfix's commands.

The exponent is k in the curve a + b * size ** k that fits the times best, by their relative deviations: 1 is linear. A curve is "flat" if the
largest input takes less than 1.5 times the shortest time.
Environment variables:

CURVES  names of curves (default: all)
LARGEST largest size (10000)
ROUNDS  measurements of each plan, of which the fastest counts (3); one if it takes more than five seconds, four times as many if it takes
        less than a tenth of a second, in which other programs would decide on the exponent
STRICT  1: an exponent above its bound is a failure
"""

from __future__ import annotations

import dataclasses
import math
import multiprocessing
import os
import resource
import sys
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Callable, Mapping

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / ".ansible/collections"))

from ansible_collections.mailops.postfix.plugins.module_utils._host import runner  # noqa: E402
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance  # noqa: E402
from ansible_collections.mailops.postfix.plugins.module_utils._plan.configuration import (  # noqa: E402
    CONFIGURATION,
    configuration,
)
from ansible_collections.mailops.postfix.plugins.module_utils._transaction.apply import apply  # noqa: E402

SIZES = (1, 10, 100, 1_000, 10_000)
BOUND = 1.1
PICTURE = ROOT / "docs/growth.svg"
MAIN_CF = "compatibility_level = 3.6\nmydestination = $myhostname, localhost\n"
MASTER_CF = """\
smtp      inet  n       -       y       -       -       smtpd
smtp      unix  -       -       y       -       -       smtp
relay     unix  -       -       y       -       -       smtp
local     unix  -       n       n       -       -       local
rewrite   unix  -       -       y       -       -       trivial-rewrite
"""


@dataclasses.dataclass(frozen=True)
class Input:
    """An instance, and what is declared of it."""

    declared: Mapping[str, Any]
    main_cf: str = ""
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    installed: bool = False  # the declaration has been applied before, so that the plan changes nothing


@dataclasses.dataclass(frozen=True)
class Curve:
    """An input of several sizes."""

    name: str
    says: str
    make: Callable[[int], Input]
    largest: int = 10_000


def _numbers(count: int) -> list[str]:
    return [f"{number:05}" for number in range(count)]


def _transport(count: int) -> str:
    return "".join(f"d{number}.example smtp:[hub{number}.example]\n" for number in _numbers(count))


def _policies(count: int) -> list[dict[str, Any]]:
    return [{"nexthop": f"[hub{number}.example]", "level": "encrypt"} for number in _numbers(count)]


def _tls_policy(count: int) -> dict[str, Any]:
    return {"policies": _policies(count), "exclusive": True, "type": "hash"}


def _unused_parameters(count: int) -> Input:
    lines = "".join(f"unused_{number} = value\n" for number in _numbers(count))
    return Input({"main_cf": {"message_size_limit": 20_000_000}}, lines)


def _parameters(count: int) -> Input:
    names = [f"mine_{number}" for number in _numbers(count)]
    destinations = ", ".join(f"${name}" for name in names)
    return Input({"main_cf": {"mydestination": destinations, **{name: f"{name}.example" for name in names}}})


def _services(count: int) -> Input:
    options = {"smtp_tls_security_level": "encrypt", "syslog_name": "postfix/mine"}
    return Input(
        {
            "master_cf": [
                {"service": f"s{number}/unix", "command": "smtp", "options": options} for number in _numbers(count)
            ]
        }
    )


def _changed_entry(count: int) -> Input:
    table = {"path": "transport", "type": "hash", "entries": {"d00000.example": "smtp:[other.example]"}}
    return Input({"lookup_tables": [table]}, files={"transport": _transport(count)})


def _declared_entries(count: int) -> Input:
    entries = dict(line.split(" ", 1) for line in _transport(count).splitlines())
    return Input(
        {"lookup_tables": [{"path": "transport", "parameter": "transport_maps", "type": "hash", "entries": entries}]}
    )


def _entries(count: int) -> Input:
    policies = "".join(f"[hub{number}.example] encrypt\n" for number in _numbers(100))
    return Input(
        {"main_cf": {"message_size_limit": 20_000_000}},
        "transport_maps = hash:$config_directory/transport\nsmtp_tls_policy_maps = hash:$config_directory/policy\n",
        {"transport": _transport(count), "policy": policies},
    )


def _new_policies(count: int) -> Input:
    return Input({"tls_policy": _tls_policy(count)})


def _entries_with_policies(count: int) -> Input:
    return Input(
        {"tls_policy": _tls_policy(200)},
        "transport_maps = hash:$config_directory/transport\n",
        {"transport": _transport(count)},
        installed=True,
    )


def _policies_with_entries(count: int) -> Input:
    return Input(
        {"tls_policy": _tls_policy(count)},
        "transport_maps = hash:$config_directory/transport\n",
        {"transport": _transport(1_000)},
        installed=True,
    )


def _domains(count: int) -> Input:
    domains = ", ".join(f"relayed{number}.example" for number in _numbers(count))
    return Input(
        {"main_cf": {"relay_domains": domains}, "tls_policy": _tls_policy(100)},
        "transport_maps = hash:$config_directory/transport\n",
        {"transport": _transport(1_000)},
    )


def _certificates(count: int) -> Input:
    names = [f"d{number}.example" for number in _numbers(count)]
    return Input({"certificates": [{"name": name, "provider": "self_signed"} for name in names]}, installed=True)


CURVES = (
    Curve("parameters", "a parameter changes, N unused lines in main.cf", _unused_parameters),
    Curve("new-parameters", "N parameters are added", _parameters),
    Curve("services", "N services are added", _services, largest=1_000),  # postconf(1) itself takes their square
    Curve("entries", "a parameter changes, N entries in transport_maps, 100 policies", _entries),
    Curve("changed-entry", "an entry of N changes", _changed_entry),
    Curve("new-entries", "a table of N entries is added", _declared_entries),
    Curve("policies", "N policies are added", _new_policies),
    Curve("entries-200", "nothing changes, N entries, 200 policies", _entries_with_policies),
    Curve("policies-1000", "nothing changes, 1,000 entries, N policies", _policies_with_entries),
    Curve("domains", "relay_domains with N domains, 1,000 entries, 100 policies", _domains),
    Curve("certificates", "nothing changes, N certificates", _certificates, largest=100),
)


def main() -> int:
    """Measure, print and draw."""
    runner.TIME_LIMIT = 3600  # the programs of Postfix may take long with the largest inputs
    chosen = os.environ.get("CURVES", "").split() or [curve.name for curve in CURVES]
    unknown = set(chosen) - {curve.name for curve in CURVES}
    if unknown:
        sys.exit(
            f"CURVES: there is no {', '.join(sorted(unknown))}; there are {', '.join(curve.name for curve in CURVES)}"
        )
    largest = int(os.environ.get("LARGEST") or SIZES[-1])
    sizes = [size for size in SIZES if size <= largest]
    width = max(len(curve.says) for curve in CURVES)
    print(f"{'CPU seconds':{width}}", *(f"{size:>8,}" for size in sizes), "exponent", sep="  ", flush=True)
    measured: dict[str, dict[int, float]] = {}
    over = []
    for curve in CURVES:
        if curve.name not in chosen:
            continue
        times = {size: _fastest(curve.make(size)) for size in sizes if size <= curve.largest}
        measured[curve.says] = times
        found = exponent(times)
        if found is not None and found > BOUND:
            over.append(curve.name)
        columns = [f"{times[size]:8.3f}" if size in times else " " * 8 for size in sizes]
        judged = "flat" if found is None else f"{found:.2f} {'OVER' if found > BOUND else 'within'} {BOUND}"
        print(f"{curve.says:{width}}", *columns, judged, sep="  ", flush=True)
    if len(measured) == len(CURVES) and sizes == list(SIZES):
        PICTURE.write_text(picture(measured), encoding="utf-8")
        print(f"drawn in {PICTURE.relative_to(ROOT)}")
    return 1 if over and os.environ.get("STRICT") == "1" else 0


def exponent(times: Mapping[int, float]) -> float | None:
    """The exponent k of the curve a + b * size ** k that fits best, by relative deviations; None if the curve is flat."""
    if times[max(times)] < 1.5 * min(times.values()):
        return None
    return min((step / 100 for step in range(20, 301)), key=lambda power: _deviation(times, power))


def _deviation(times: Mapping[int, float], power: float) -> float:
    """The deviation of the curve with this exponent that fits best, by the method of least squares."""
    points = [(size**power, seconds, 1 / seconds**2) for size, seconds in times.items()]
    weight, x, xx = (sum(w * x**degree for x, _y, w in points) for degree in (0, 1, 2))
    y, xy = (sum(w * y * x**degree for x, y, w in points) for degree in (0, 1))
    slope = (weight * xy - x * y) / (weight * xx - x * x)
    constant = (y - slope * x) / weight
    if constant < 0:
        constant, slope = 0, xy / xx
    return float(sum(w * (constant + slope * x - y) ** 2 for x, y, w in points))


# Measuring


def _fastest(given: Input) -> float:
    with tempfile.TemporaryDirectory(prefix="growth-") as name:
        directory = Path(name)
        for file, text in {"main.cf": MAIN_CF + given.main_cf, "master.cf": MASTER_CF, **given.files}.items():
            (directory / file).write_text(text, encoding="ascii")
            os.utime(directory / file, (1, 1))
        if given.installed:
            _in_process(_install, directory, given.declared)
        rounds = int(os.environ.get("ROUNDS") or 3)
        times = [_in_process(_plan, directory, given.declared)]
        rounds *= 4 if times[0] < 0.1 else 1
        while len(times) < rounds and times[0] < 5:
            times.append(_in_process(_plan, directory, given.declared))
    return min(times)


def _in_process(
    function: Callable[[Path, Mapping[str, Any]], float], directory: Path, declared: Mapping[str, Any]
) -> float:
    """The result of a function in a process of its own, which has no caches of an earlier plan."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, function, directory, declared))
    process.start()
    sender.close()
    try:
        result: float | str = receiver.recv()
    except EOFError:
        result = "the process has ended"
    process.join()
    if isinstance(result, str):
        sys.exit(result)
    return result


def _send(sender: Connection, function: Callable[..., float], directory: Path, declared: Mapping[str, Any]) -> None:
    try:
        sender.send(function(directory, declared))
    except Exception as error:  # any error ends the benchmark
        sender.send(f"{type(error).__name__}: {str(error)[:2000]}")


def _options(declared: Mapping[str, Any]) -> dict[str, Any]:
    """The declaration with the defaults of the options, as a module gets it."""
    result = _with_defaults(CONFIGURATION, declared)
    for name, part in CONFIGURATION["parts"].items():
        value = result[name]
        if isinstance(value, list):
            result[name] = [_with_defaults(part, item) for item in value]
        elif value is not None:
            result[name] = _with_defaults(part, value)
    return result


def _with_defaults(specification: Mapping[str, Any], declared: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {name: option.get("default") for name, option in specification["argument_spec"].items()}
    return {**defaults, **declared}


def _install(directory: Path, declared: Mapping[str, Any]) -> float:
    options = _options(declared)
    apply(lambda instance: configuration(instance, options), lambda: Instance(str(directory)))
    for path in directory.rglob("*"):
        os.utime(path, (1, 1))
    return 0.0


def _plan(directory: Path, declared: Mapping[str, Any]) -> float:
    options = _options(declared)
    start = resource.getrusage(resource.RUSAGE_SELF)
    plan = configuration(Instance(str(directory)), options)
    plan.changes_something()
    end = resource.getrusage(resource.RUSAGE_SELF)
    return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime


# Drawing

COLORS = (
    "#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f", "#edc948", "#b07aa1", "#ff9da7", "#9c755f", "#86bcb6", "#555555",
)  # fmt: skip
LEFT, TOP, WIDTH, HEIGHT = 60, 20, 420, 360


def picture(measured: Mapping[str, Mapping[int, float]]) -> str:
    """The curves in one SVG, with logarithmic scales."""
    seconds = [value for times in measured.values() for value in times.values()]
    low, high = math.floor(math.log10(min(seconds))), math.ceil(math.log10(max(seconds)))

    def x(size: int) -> float:
        return LEFT + WIDTH * math.log10(size) / math.log10(SIZES[-1])

    def y(value: float) -> float:
        return TOP + HEIGHT * (high - math.log10(value)) / (high - low)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="1000" height="{TOP + HEIGHT + 60}" font-family="sans-serif" font-size="12">',
        "<title>CPU time of a plan by the size of its input</title>",
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for size in SIZES:
        lines.append(f'<path d="M{x(size):.1f} {TOP}V{TOP + HEIGHT}" stroke="#ddd"/>')
        lines.append(f'<text x="{x(size):.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{size:,}</text>')
    for power in range(low, high + 1):
        lines.append(f'<path d="M{LEFT} {y(10.0**power):.1f}H{LEFT + WIDTH}" stroke="#ddd"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{y(10.0**power) + 4:.1f}" text-anchor="end">{10.0**power:g} s</text>')
    lines.append(f'<text x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 42}" text-anchor="middle">N</text>')
    for row, (says, times) in enumerate(measured.items()):
        color, found = COLORS[row % len(COLORS)], exponent(times)
        points = " ".join(f"{x(size):.1f},{y(value):.1f}" for size, value in times.items())
        height = TOP + 16 + 24 * row
        label = f"{says}: {'flat' if found is None else f'{found:.2f}'}"
        lines.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>')
        lines.append(f'<path d="M{LEFT + WIDTH + 20} {height - 4}h20" stroke="{color}" stroke-width="3"/>')
        lines.append(f'<text x="{LEFT + WIDTH + 48}" y="{height}">{label}</text>')
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    sys.exit(main())
