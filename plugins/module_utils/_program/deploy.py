# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that ACME clients call when they have renewed a certificate. Private to mailops.postfix.

It finds which declared certificates are concerned, plans and installs as the module certificate does, reloads Postfix, and
asks each port what it serves. What does not hold is undone: the old certificate stays in service, and the reason is in the
mail log. It needs neither Ansible nor anything else that Python does not bring; :mod:`install` installs it.
"""

from __future__ import annotations

import glob
import json
import os
import re
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from .._checks import values
from .._errors import HostError, PostfixError
from .._formats import master_cf
from .._host import master
from .._host.instance import Instance, run_program
from .._model import listeners
from .._model.configuration import configuration_of
from .._plan import ca_bundle, certificate
from .._plan.plan import Plan
from .._smtp import probe, probe_options
from .._transaction import apply, journal
from .._verify import listeners as listeners_verification
from .._verify import verify
from . import install

NAME = "deploy-certificate"

PORT_SECONDS = 15.0
"""Seconds in which the ports must serve the new certificate; a reload takes effect with the next process."""

_AT_WORK = 1800.0
"""Seconds that a run of Ansible may take to prove what it has installed."""

_PAUSE = 0.5
_AGAIN = f"It is tried again within the hour; at once: {install.PROGRAM} --due"
_TIMEOUT = 10.0
_TIME_LIMIT = 20.0

USAGE = f"""\
usage: {NAME}                        called by certbot, lego or acme.sh, which say in the environment what they have renewed
       {NAME} deploy_cert DOMAIN KEYFILE CERTFILE FULLCHAINFILE ...      called by dehydrated; other operations do nothing
       {NAME} --path FILE...         what is made of these files or directories
       {NAME} --name NAME...         certificates by their declared names
       {NAME} --all                  all declared certificates
       {NAME} --ca-bundles           all declared CA bundles
       {NAME} --due                  what of all these Postfix does not use yet; called each hour

Deploys renewed certificates to Postfix. What is declared stands in {install.DECLARATIONS}.
Exit status: 0 all is in service; 1 something is not, and what was before still is; 2 wrong arguments."""

# Certbot names the lineage, the others the file.
_ENVIRONMENT = ("RENEWED_LINEAGE", "LEGO_HOOK_CERT_PATH", "LEGO_CERT_PATH", "CERT_FULLCHAIN_PATH")
_OPERATION = re.compile(r"[a-z]+(_+[a-z]+)+")

Probe = Callable[[probe_options.ProbeOptions], Dict[str, Any]]


@dataclass(frozen=True)
class RenewalSpec:
    """What a run of Ansible has declared."""

    config_directory: str
    options: Mapping[str, Any]

    @property
    def name(self) -> str:
        """For messages."""
        return str(self.options.get("name") or self.options.get("path") or "CAs")

    def instance(self) -> Instance:
        """A snapshot of the instance as it is now."""
        return Instance(self.config_directory)


def main(arguments: Sequence[str], environment: Optional[Mapping[str, str]] = None, ask: Probe = probe.probe) -> int:
    """Do what was asked for; the exit status.

    :param environment: by default that of this process.
    """
    arguments = list(arguments)
    environment = os.environ if environment is None else environment
    os.umask(0o022)
    if arguments[:1] in (["-h"], ["--help"]):
        sys.stdout.write(f"{USAGE}\n")
        return 0
    if arguments == ["--ca-bundles"]:
        return _each(install.CA_BUNDLES, lambda _declared: True, renew_bundle)
    if arguments == ["--due"]:
        bundles = _each(install.CA_BUNDLES, _is_left_alone, lambda declared: renew_bundle(declared, quiet=True))
        return max(bundles, _each(install.CERTIFICATES, _is_left_alone, lambda declared: deploy_due(declared, ask)))
    is_concerned = _selection(arguments, environment)
    if is_concerned is None:
        if arguments and arguments[0] != "deploy_cert" and _OPERATION.fullmatch(arguments[0]):
            return 0  # another of dehydrated's operations
        sys.stderr.write(f"{USAGE}\n")
        return 2
    return _each(install.CERTIFICATES, is_concerned, lambda declared: deploy(declared, ask))


def _selection(arguments: Sequence[str], environment: Mapping[str, str]) -> Optional[Callable[[RenewalSpec], bool]]:
    """Which certificates are concerned; None if the arguments do not say."""
    if not arguments:
        paths = [environment[name] for name in _ENVIRONMENT if environment.get(name)]
        return (lambda declared: _uses(declared, paths)) if paths else None
    first, rest = arguments[0], arguments[1:]
    if first == "--all" and not rest:
        return lambda declared: True
    if first == "--name" and rest:
        return lambda declared: declared.options["name"] in rest
    if first == "--path" and rest:
        return lambda declared: _uses(declared, rest)
    if first == "deploy_cert" and len(rest) >= 4:
        return lambda declared: _uses(declared, rest[1:5])
    return None


def _uses(declared: RenewalSpec, paths: Iterable[str]) -> bool:
    """Whether a certificate is made of one of these files, or of files in one of these directories."""
    source = certificate.source(declared.instance(), declared.options)
    own = {source, os.path.dirname(source)}
    # Names count as well as what they lead to: a lineage is a directory of links to files whose names change.
    known = {os.path.abspath(path) for path in own} | {os.path.realpath(path) for path in own}
    return any(os.path.abspath(path) in known or os.path.realpath(path) in known for path in paths)


def _each(kind: str, is_concerned: Callable[[RenewalSpec], bool], do: Callable[[RenewalSpec], str]) -> int:
    """Do it for each declaration that is concerned, whatever becomes of the others."""
    status = 0
    directory = os.path.join(install.DECLARATIONS, kind)
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    for name in (name for name in names if name.endswith(".json")):
        config_directory, title = "", name
        try:
            declared = _read(os.path.join(directory, name))
            config_directory, title = declared.config_directory, declared.name
            if not os.path.isfile(os.path.join(config_directory, "main.cf")):
                continue  # Postfix, or this instance of it, has been removed
            if is_concerned(declared):
                said = do(declared)
                if said:
                    sys.stdout.write(f"{title}: {said}\n")
                    _log(config_directory, "info", f"{title}: {said}")
        except Exception as error:  # whatever it is, the next certificate has nothing to do with it
            status = 1
            cause = str(error) if isinstance(error, PostfixError) else f"{type(error).__name__}: {error}"
            message = " ".join(f"{title}: {cause}".split())
            sys.stderr.write(f"{NAME}: {message}\n")
            _log(config_directory, "error", message)
    return status


def _is_left_alone(declared: RenewalSpec) -> bool:
    """Whether no run of Ansible is at work there, between installing and proving. One that was killed is not for ever at work."""
    unproven = glob.glob(os.path.join(glob.escape(declared.config_directory), f"{journal.UNVERIFIED}*"))
    return all(time.time() - os.lstat(path).st_mtime > _AT_WORK for path in unproven)


def _read(path: str) -> RenewalSpec:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            content = json.load(file)
        return RenewalSpec(content["config_directory"], content["options"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HostError("reading", path, str(error), "Run the play that declares it once more") from error


def _log(config_directory: str, level: str, message: str) -> None:
    """Say it in the mail log, by Postfix's way to it or, where that is broken, by syslog's own."""
    ways = [["logger", "-t", f"postfix/{NAME}", "-p", f"mail.{'err' if level == 'error' else level}", "--", message]]
    if config_directory:
        ways.insert(0, ["postlog", "-c", config_directory, "-t", f"postfix/{NAME}", "-p", level, message])
    for way in ways:
        with suppress(PostfixError):
            if run_program(way).returncode == 0:
                return


# Certificates


def deploy(declared: RenewalSpec, ask: Probe = probe.probe) -> str:
    """Bring a renewed certificate into service; what to say of it.

    :raises PostfixError: if it can't be; what was in service before still is.
    """
    instance = declared.instance()
    instance.must_be_readable()
    planned = certificate.renewal(instance, declared.options)
    facts = planned.plan.result["certificate"]
    said = f"serial {facts['serial']}, valid until {facts['not_after']}"
    unfinished = _is_unfinished(declared, planned.plan)
    if unfinished and not _served_otherwise(declared, ask):
        # It is in service. Left open, it would be where the next failure leads back to, however old the certificate from before it.
        apply.confirm(declared.config_directory)
        unfinished = False
    if planned.chain_file is not None and not planned.plan.changes_something() and not _served_otherwise(declared, ask):
        return f"already in service: {said}"
    _must_run(declared, instance)
    _must_pass_check(declared, instance)
    before, _served = _look(instance, ask, declared, 0)
    if not any(not problem.about_certificate for problem in before):
        _must_stay_sound(declared, instance)
    earlier = journal.unverified(declared.config_directory)
    outcome = apply.apply(
        lambda snapshot: certificate.renewal(snapshot, declared.options).plan,
        declared.instance,
        provisional=True,
    )
    try:
        _bring_into_service(declared, ask, before)
    except BaseException as error:
        _go_back(declared, error, unfinished or len(journal.unverified(declared.config_directory)) > len(earlier))
        raise
    if unfinished or not earlier:
        apply.confirm(declared.config_directory)
    for warning in outcome.plan.warnings:
        _log(declared.config_directory, "warn", f"{declared.name}: {warning}")
    return f"in service: {said}"


def deploy_due(declared: RenewalSpec, ask: Probe = probe.probe) -> str:
    """The same if Postfix does not use it yet; nothing is said otherwise."""
    planned = certificate.renewal(declared.instance(), declared.options)
    due = planned.plan.changes_something() or _served_otherwise(declared, ask) or _is_unfinished(declared, planned.plan)
    return deploy(declared, ask) if due else ""


def _is_unfinished(declared: RenewalSpec, plan: Plan) -> bool:
    """Whether a call that was killed has installed files of this certificate that nobody has accepted, and Postfix can be asked."""
    targets = journal.unverified_targets(declared.config_directory)
    own = {os.path.realpath(change.path) for change in plan.changes}
    return bool(targets) and targets <= own and _is_left_alone(declared) and declared.instance().running()


def _must_run(declared: RenewalSpec, instance: Instance) -> None:
    if not instance.running():
        raise HostError(
            "deploying",
            declared.name,
            f"the Postfix of {declared.config_directory} does not run, so that nothing can be proven; the old files stay",
            f"Start it. {_AGAIN}",
        )


def _must_pass_check(declared: RenewalSpec, instance: Instance) -> None:
    """Refuse to reload what would not survive it."""
    failure, _complaints = instance.postfix_check(instance.main_cf, instance.master_cf)
    if failure:
        raise HostError(
            "deploying",
            declared.name,
            f"postfix check fails with the configuration of {declared.config_directory}: {failure}",
            f"Mend it. {_AGAIN}",
        )


def _must_stay_sound(declared: RenewalSpec, instance: Instance) -> None:
    """Refuse to reload what a daemon would die of, and what nobody has reloaded yet: the ports still are all right."""
    for problem in values.value_findings(configuration_of(instance)):
        if problem.check == "wrong_value":
            raise HostError(
                "deploying",
                declared.name,
                f"a reload would bring into service what does not work: {problem}",
                f"Mend it. {_AGAIN}",
            )


def _served_otherwise(declared: RenewalSpec, ask: Probe) -> bool:
    instance = declared.instance()
    if not instance.running():
        return False
    problems, _served = _look(instance, ask, declared, 0)
    return any(problem.about_certificate for problem in problems)


def _bring_into_service(declared: RenewalSpec, ask: Probe, before: Set[PortFault]) -> None:
    instance = declared.instance()
    service = master.Master(instance)
    service.bring_up("reload")
    if not service.survives(verify.FIRST_LOOK_SECONDS):
        raise HostError("reloading", f"the Postfix of {declared.config_directory}", "master(8) died of it")
    after, served = _look(instance, ask, declared, PORT_SECONDS)
    new = [str(problem) for problem in after if problem.about_certificate or problem not in before]
    if new:
        raise HostError("asking", "the ports", "; ".join(sorted(new)))
    if served == 0:
        raise HostError("asking", "the ports", "none of those that shall serve the certificate could be asked")


def _go_back(declared: RenewalSpec, error: BaseException, installed: bool) -> None:
    """Put the old files back, and have Postfix use them; the error is told what became of it."""
    remedy = "Postfix is given the client's own files, and there is no way back to the old ones: set chain_file"
    if installed:
        # Where an earlier run has not been proven either, this goes back to before both.
        _restored, left = apply.undo(declared.config_directory)
        remedy = f"Somebody else has changed {', '.join(left)}" if left else "The old certificate is back in service"
        try:
            master.Master(declared.instance()).bring_up("reload")
        except PostfixError as again:
            remedy = f"The old files are back, but Postfix does not use them: {again}"
    if isinstance(error, PostfixError):
        error.remedy = f"{error.remedy}. {remedy}" if error.remedy else remedy


# The ports


@dataclass(frozen=True)
class PortFault:
    """What is wrong with a port."""

    port: str
    text: str
    about_certificate: bool = False

    def __str__(self) -> str:
        return f"{self.port}: {self.text}"


def _look(instance: Instance, ask: Probe, declared: RenewalSpec, patience: float) -> Tuple[Set[PortFault], int]:
    """What is wrong with the ports, and how many answered with the certificate that they shall serve.

    None to answer counts as one where no port serves it at all: a client's certificate.
    """
    end = time.monotonic() + patience
    while True:
        problems, served, wanted = _look_once(instance, ask, declared)
        wrong = any(problem.about_certificate for problem in problems) or (wanted and not served)
        if not wrong or time.monotonic() > end:
            return problems, served if wanted else 1
        time.sleep(_PAUSE)


def _look_once(instance: Instance, ask: Probe, declared: RenewalSpec) -> Tuple[Set[PortFault], int, int]:
    problems: Set[PortFault] = set()
    served = wanted = 0
    names = _sni_names(instance, declared)
    own = {certificate.served_file(instance, declared.options)}
    for listener in listeners.listeners(master_cf.master_entries(instance.master_cf), instance.parameters):
        for name in [None, *(names if listener.tls else {})]:
            host = listeners_verification.address(instance, listener)
            port = f"{listener.name} at {host}" + (f" for {name}" if name else "")
            expected = (
                names[name]
                if name
                else [listeners_verification.leaf_fingerprint(instance, path) for path in listener.certificates]
            )
            expected = [fingerprint for fingerprint in expected if fingerprint]
            question = probe_options.ProbeOptions(
                host=host,
                port=listeners_verification.port(listener.port),
                implicit_tls=listener.implicit_tls,
                server_name=name,
                relay=False,
                protocols=False,
                timeout=_TIMEOUT,
                time_limit=_TIME_LIMIT,
            )
            facts = ask(question)
            concerned = bool(name) or not own.isdisjoint(listener.certificates)
            answers = [facts, *listeners_verification.probe_other_key_types(ask, question, facts, expected)]
            shown = [answer["chain"][0]["fingerprint"]["sha256"] for answer in answers if answer["chain"]]
            if listener.tls and expected and concerned:
                wanted += 1
                served += bool(shown and shown[0] in expected)
            for text in listeners.listener_faults(listener, facts, [], trusted=True):
                problems.add(PortFault(port, text))
            for fingerprint in shown if expected else ():
                if fingerprint not in expected:
                    text = f"it serves another certificate ({fingerprint}) than it shall ({' or '.join(expected)})"
                    problems.add(PortFault(port, text, about_certificate=concerned))
    return problems, served, wanted


def _sni_names(instance: Instance, declared: RenewalSpec) -> Dict[str, List[str]]:
    """The server names of a certificate, and the fingerprints of what the table has for them."""
    result: Dict[str, List[str]] = {}
    if declared.options.get("sni"):
        for name, files in certificate.server_names(instance, declared.options).items():
            result[name] = [listeners_verification.leaf_fingerprint(instance, path) for path in files]
    return result


# CAs


def renew_bundle(declared: RenewalSpec, quiet: bool = False) -> str:
    """Make a CA bundle anew; what to say of it.

    :param quiet: nothing, where nothing has changed.
    """
    instance = declared.instance()
    reloads = instance.running() and ca_bundle.bundle_plan(instance, declared.options).changes_something()
    if reloads:
        instance.must_be_readable()
        _must_pass_check(declared, instance)
        _must_stay_sound(declared, instance)
    outcome = apply.apply(lambda snapshot: ca_bundle.bundle_plan(snapshot, declared.options), declared.instance)
    if reloads:
        master.Master(declared.instance()).bring_up("reload")
    if quiet and not outcome.changed:
        return ""
    return f"{outcome.plan.result['certificates']} CAs, {'changed' if outcome.changed else 'unchanged'}"
