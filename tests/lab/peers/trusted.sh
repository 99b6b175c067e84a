#!/bin/sh
# A mail server with STARTTLS and a certificate of the lab's CA: a client that trusts that CA can verify it.
# For SNI sni.example.test it serves another, self-signed certificate.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 365 -subj "/CN=sni.example.test" \
    -keyout /etc/postfix/sni.pem -out /etc/postfix/sni-cert.pem 2>/dev/null
cat /etc/postfix/sni-cert.pem >> /etc/postfix/sni.pem
echo "sni.example.test /etc/postfix/sni.pem" > /etc/postfix/sni
postmap -F hash:/etc/postfix/sni
install -m 600 "/lab/certificates/$FQDN/privkey.pem" /etc/postfix/key.pem
install -m 644 "/lab/certificates/$FQDN/fullchain.pem" /etc/postfix/cert.pem
postconf -e smtpd_tls_security_level=may smtpd_tls_loglevel=1 smtpd_tls_received_header=yes \
    tls_server_sni_maps=hash:/etc/postfix/sni \
    smtpd_tls_cert_file=/etc/postfix/cert.pem smtpd_tls_key_file=/etc/postfix/key.pem \
    local_recipient_maps= luser_relay=root \
    'mydestination=regexp:{{/[.]example[.]test/ local}}, localhost'
