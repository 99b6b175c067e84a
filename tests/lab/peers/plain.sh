#!/bin/sh
# An old mail server without TLS. Accepts and keeps mail for any user at any name in the lab, as the other peers do.
postconf -e smtpd_tls_security_level=none smtp_tls_security_level=none local_recipient_maps= luser_relay=root \
    'mydestination=regexp:{{/[.]example[.]test/ local}}, localhost'
