# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verb ``deploy`` of the program on the host, which ACME clients call after a renewal. Private to mailops.postfix.

It selects the certificates that use the renewed files, plans and installs as the module certificate does, reloads Postfix, and probes
which certificate each port serves. If a step fails, it undoes the change: Postfix uses the previous certificate, and the mail log has
the reason.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from typing import Callable, Iterable, Mapping, Optional, Sequence, Set

from .._checks import values
from .._errors import HostError, PostfixError
from .._host import master
from .._host.instance import Instance
from .._model.configuration import configuration_of
from .._plan import ca_bundle_standalone, certificate_standalone
from .._plan.plan import Plan, RenewalKind
from .._smtp import probe
from .._transaction import apply, confirmed, lock, store
from .._transaction import undo as take_back
from .._transaction.apply import Confirmation
from .._transaction.store import Transaction
from . import deadline, host_log, install, lost_names, renewals, specifications, undeclared, undo
from .due import DueCertificates
from .ports import PORT_SECONDS, PortFault, Probe, port_faults, serves_another_certificate
from .specifications import RenewalSpec

_CONFIRM_WITHIN = 300
"""Seconds within which a renewed certificate must be in service. If this process is killed, the host restores the previous one then."""

WAIT_SECONDS = lock.LOCK_TIMEOUT
"""Seconds to wait for the end of another transaction of the instance."""

_RETRY = f"The timer tries again within the hour. To try at once: {install.command()} deploy --due"

USAGE = f"""\
usage: mailops-postfix deploy                   hook of certbot, lego and acme.sh, which pass the renewed files in the environment
       mailops-postfix deploy deploy_cert DOMAIN KEYFILE CERTFILE FULLCHAINFILE ...   hook of dehydrated; other operations do nothing
       mailops-postfix deploy --path FILE...    deploy the certificates that use these files or directories
       mailops-postfix deploy --name NAME...    deploy the certificates with these declared names
       mailops-postfix deploy --all             deploy all declared certificates
       mailops-postfix deploy --ca-bundles      rebuild all declared CA bundles
       mailops-postfix deploy --due             do both where Postfix does not use the current files yet; the timer calls it each hour

Deploys renewed certificates and CAs to Postfix. The declarations are in {renewals.STORE}.
Exit status: 0 success, or nothing to do; 1 failure, the previous certificate is still in service; 2 wrong arguments."""

# certbot passes the directory of the lineage, the other clients the file of the certificate.
_ENVIRONMENT = ("RENEWED_LINEAGE", "LEGO_HOOK_CERT_PATH", "LEGO_CERT_PATH", "CERT_FULLCHAIN_PATH")
_OPERATION = re.compile(r"[a-z]+(_+[a-z]+)+")


def main(
    arguments: Sequence[str], environment: Optional[Mapping[str, str]] = None, probe_port: Probe = probe.probe
) -> int:
    """Deploy the certificates and CA bundles that the arguments select; returns the exit status.

    :param environment: the environment variables of the hook; by default those of this process.
    """
    arguments = list(arguments)
    environment = os.environ if environment is None else environment
    if arguments[:1] in (["-h"], ["--help"]):
        sys.stdout.write(f"{USAGE}\n")
        return 0
    if not is_hook_operation(arguments[0] if arguments else ""):
        undo.main(["--expired"])
    if arguments == ["--ca-bundles"]:
        return _each(RenewalKind.CA_BUNDLE, lambda _spec: True, renew_bundle)
    if arguments == ["--due"]:
        bundles = _each(RenewalKind.CA_BUNDLE, _is_left_alone, lambda spec: renew_bundle(spec, quiet=True))
        due = DueCertificates(probe_port)
        certificates = _each(
            RenewalKind.CERTIFICATE,
            _is_left_alone,
            lambda spec: deploy(spec, probe_port) if due.is_due(spec) else "",
        )
        return max(bundles, certificates)
    is_concerned = _selection(arguments, environment)
    if is_concerned is None:
        if arguments and arguments[0] != "deploy_cert" and is_hook_operation(arguments[0]):
            return 0  # another of dehydrated's operations
        sys.stderr.write(f"{USAGE}\n")
        return 2
    return _each(RenewalKind.CERTIFICATE, is_concerned, lambda spec: deploy(spec, probe_port))


def is_hook_operation(word: str) -> bool:
    """Whether a word has the form of dehydrated's operations, which it passes to its hook as first argument, such as ``deploy_cert``."""
    return bool(_OPERATION.fullmatch(word))


def _selection(arguments: Sequence[str], environment: Mapping[str, str]) -> Optional[Callable[[RenewalSpec], bool]]:
    """A function that tells whether the arguments select a certificate; None if the arguments are wrong."""
    if not arguments:
        paths = [environment[name] for name in _ENVIRONMENT if environment.get(name)]
        return (lambda spec: _uses(spec, paths)) if paths else None
    first, rest = arguments[0], arguments[1:]
    if first == "--all" and not rest:
        return lambda spec: True
    if first == "--name" and rest:
        return lambda spec: spec.options["name"] in rest
    if first == "--path" and rest:
        return lambda spec: _uses(spec, rest)
    if first == "deploy_cert" and len(rest) >= 4:
        return lambda spec: _uses(spec, rest[1:5])
    return None


def _uses(spec: RenewalSpec, paths: Iterable[str]) -> bool:
    """Whether a certificate's source is one of these files, or is in one of these directories."""
    source = certificate_standalone.source(spec.instance(), spec.options).certificate
    own = {source, os.path.dirname(source)}
    # Compare paths before and after resolving links: a lineage of certbot is a directory of links to files whose names change.
    known = {os.path.abspath(path) for path in own} | {os.path.realpath(path) for path in own}
    return any(os.path.abspath(path) in known or os.path.realpath(path) in known for path in paths)


def _each(kind: RenewalKind, is_concerned: Callable[[RenewalSpec], bool], do: Callable[[RenewalSpec], str]) -> int:
    """Apply a function to each selected specification, also after it has failed for others; returns the exit status."""
    status = 0
    for path in specifications.spec_files(kind):
        config_directory, title, spec = "", os.path.basename(path), None
        try:
            spec = specifications.read_spec(path)
            config_directory, title = spec.config_directory, spec.name
            if not os.path.isfile(os.path.join(config_directory, "main.cf")):
                continue  # Postfix, or this instance of it, has been removed
            if is_concerned(spec):
                result = do(spec)
                if result:
                    sys.stdout.write(f"{title}: {result}\n")
                    host_log.log(config_directory, "info", f"{title}: {result}")
        except Exception as error:  # the other certificates must be deployed whatever the error is
            status = 1
            cause = _cause(error, spec)
            message = " ".join(f"{title}: {cause}".split())
            sys.stderr.write(f"{host_log.TAG}: {message}\n")
            host_log.log(config_directory, "error", message)
    return status


def _cause(error: Exception, spec: Optional[RenewalSpec]) -> str:
    """The text of an error, with how to end it if the files of the renewal have been removed."""
    if not isinstance(error, PostfixError):
        return f"{type(error).__name__}: {error}"
    lost: list[str] = []
    if spec:
        with suppress(PostfixError):
            lost = undeclared.lost_sources(spec.instance(), spec)
    if spec and lost:
        hint = f"If it is no longer in use, remove {spec.path}; otherwise declare it again with files that exist"
        error.remedy = f"{error.remedy}. {hint}" if error.remedy else hint
    return str(error)


def _is_left_alone(spec: RenewalSpec) -> bool:
    """Whether no other transaction of this instance is open. The next call of the timer finds what is due then."""
    return not store.open_transactions(spec.config_directory)


# Certificates


def deploy(spec: RenewalSpec, probe_port: Probe = probe.probe) -> str:
    """Deploy a renewed certificate; returns a report.

    :raises PostfixError: if that fails; Postfix uses the previous certificate.
    """
    instance = spec.instance()
    instance.must_be_readable()
    planned = certificate_standalone.renewed(instance, spec.options)
    facts = planned.facts
    validity = f"serial {facts['serial']}, valid until {facts['not_after']}"
    if (
        planned.chain_file is not None
        and not planned.plan.changes_something()
        and not serves_another_certificate(probe_port, spec)
    ):
        return f"already in service: {validity}"
    lost = lost_names.lost_names(instance, planned)
    lost_names.must_not_be_needed(spec, instance, lost)
    if lost:
        host_log.log(
            spec.config_directory, "warn", f"{spec.name}: the renewed certificate no longer has {', '.join(lost)}"
        )
    if not instance.running():
        return _installed_only(spec, validity)
    _must_pass_check(spec, instance)
    before, _served = port_faults(instance, probe_port, spec, 0)
    if not any(not fault.about_certificate for fault in before):
        _must_stay_sound(spec, instance)
    outcome = apply.apply(
        lambda instance: _with_deadline(certificate_standalone.renewed(instance, spec.options).plan),
        spec.instance,
        confirmation=Confirmation(
            _CONFIRM_WITHIN, undo=undo.by_this_program, opener=store.this_host("the renewal of " + spec.name)
        ),
        lock_timeout=WAIT_SECONDS,
    )
    try:
        is_served = _bring_into_service(spec, probe_port, before, outcome.transaction)
    except BaseException as error:
        _go_back(spec, error, outcome.transaction)
        raise
    if outcome.transaction is not None:
        apply.confirm(outcome.transaction)
    source = certificate_standalone.source(instance, spec.options)
    confirmed.confirm_files(spec.instance(), [source.certificate, source.private_key])
    for warning in outcome.plan.warnings:
        host_log.log(spec.config_directory, "warn", f"{spec.name}: {warning}")
    return f"in service: {validity}" if is_served else f"installed, and served by no port: {validity}"


def _with_deadline(plan: Plan) -> Plan:
    plan.beforehand += deadline.start_commands(install.command())
    return plan


def _installed_only(spec: RenewalSpec, validity: str) -> str:
    """Install a certificate that openssl(1) has verified while Postfix does not run, so that it is served after the next start."""
    apply.apply(
        lambda instance: certificate_standalone.renewed(instance, spec.options).plan,
        spec.instance,
        lock_timeout=WAIT_SECONDS,
    )
    return f"installed; Postfix does not run, and serves it when it is started: {validity}"


def _must_pass_check(spec: RenewalSpec, instance: Instance) -> None:
    """Refuse to reload a configuration that ``postfix check`` rejects."""
    failure, _complaints = instance.postfix_check(instance.main_cf, instance.master_cf)
    if failure:
        raise HostError(
            "deploying",
            spec.name,
            f"'postfix check' rejects the configuration in {spec.config_directory}: {failure}",
            f"Correct the configuration. {_RETRY}",
        )


def _must_stay_sound(spec: RenewalSpec, instance: Instance) -> None:
    """Refuse to reload values that a daemon rejects. The running Postfix has not read them yet, as its ports work."""
    for finding in values.value_findings(configuration_of(instance)):
        if finding.check == "wrong_value":
            raise HostError(
                "deploying",
                spec.name,
                f"a reload would activate a value that does not work: {finding}",
                f"Correct the value. {_RETRY}",
            )


def _bring_into_service(
    spec: RenewalSpec, probe_port: Probe, before: Set[PortFault], transaction: Optional[Transaction]
) -> bool:
    """Reload Postfix and probe its ports; returns whether there are ports that must serve the certificate.

    :raises HostError: if a port does not serve it, or has a new fault.
    """
    instance = spec.instance()
    if transaction is not None:
        transaction.activated = True
        store.save(transaction, store.RECORD)
    process = master.Master(instance)
    process.bring_up("reload")
    if not process.survives(master.FIRST_LOOK_SECONDS):
        raise HostError("reloading", f"the Postfix of {spec.config_directory}", "the reload terminated master(8)")
    after, served = port_faults(instance, probe_port, spec, PORT_SECONDS)
    new = [str(fault) for fault in after if fault.about_certificate or fault not in before]
    if new:
        raise HostError("probing", "the ports", "; ".join(sorted(new)))
    if served == 0:
        raise HostError("probing", "the ports", "none of the ports that must serve the certificate could be probed")
    return served is not None


def _go_back(spec: RenewalSpec, error: BaseException, transaction: Optional[Transaction]) -> None:
    """Undo the transaction and reload Postfix; add the result to the error's remedy."""
    remedy = "Postfix uses the files of the ACME client, and the previous ones no longer exist. Set chain_file, so that they are kept"
    if transaction is not None:
        undone = take_back.with_locks(transaction, lambda current: take_back.undo(current, spec.instance))
        remedy = "The previous certificate is in service again"
        if undone is not None and undone.problems:
            remedy = (
                f"The previous files have been restored, but Postfix does not use them: {'; '.join(undone.problems)}"
            )
        elif undone is not None and undone.kept:
            remedy = undone.report()[2:]
    else:
        with suppress(PostfixError):
            master.Master(spec.instance()).bring_up("reload")
    if isinstance(error, PostfixError):
        error.remedy = f"{error.remedy}. {remedy}" if error.remedy else remedy


# CAs


def renew_bundle(spec: RenewalSpec, quiet: bool = False) -> str:
    """Rebuild a CA bundle, and reload Postfix if it has changed; returns a report.

    :param quiet: whether the report is empty if nothing has changed.
    """
    instance = spec.instance()
    reloads = instance.running() and ca_bundle_standalone.ca_bundle(instance, spec.options).changes_something()
    if reloads:
        instance.must_be_readable()
        _must_pass_check(spec, instance)
        _must_stay_sound(spec, instance)
    outcome = apply.apply(lambda instance: ca_bundle_standalone.ca_bundle(instance, spec.options), spec.instance)
    if reloads:
        master.Master(spec.instance()).bring_up("reload")
    if quiet and not outcome.changed:
        return ""
    return f"{outcome.plan.result['certificates']} CAs, {'changed' if outcome.changed else 'unchanged'}"
