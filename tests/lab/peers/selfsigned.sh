#!/bin/sh
# A mail server with STARTTLS and a self-signed certificate, as many servers on the Internet.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 365 -subj "/CN=$FQDN" \
    -addext "subjectAltName=DNS:$FQDN" -keyout /etc/postfix/key.pem -out /etc/postfix/cert.pem 2>/dev/null
chmod 600 /etc/postfix/key.pem
postconf -e smtpd_tls_security_level=may smtpd_tls_loglevel=1 smtpd_tls_received_header=yes \
    smtpd_tls_cert_file=/etc/postfix/cert.pem smtpd_tls_key_file=/etc/postfix/key.pem \
    'mydestination=regexp:{{/[.]example[.]test/ local}}, localhost' local_recipient_maps= luser_relay=root
