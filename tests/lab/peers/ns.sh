#!/bin/sh
# The lab's name server: Unbound with the lab's zones.
install -m 644 /lab/dns/unbound.conf /etc/unbound/unbound.conf
