#!/bin/sh
# The lab's name server: Unbound answers the hosts, Knot holds the zones; see zones() in hosts.py.
install -d -o knot -g knot -m 750 /var/lib/knot
install -o knot -g knot -m 640 /lab/dns/knot.conf /etc/knot/knot.conf
install -m 644 /lab/dns/unbound.conf /etc/unbound/unbound.conf
