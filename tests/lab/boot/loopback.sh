#!/bin/sh
# Postfix as Debian configures it for "Local only".
postconf -e inet_interfaces=loopback-only default_transport=error relay_transport=error
